"""The app kit: a site is pages as pure functions of one episode's state; three backends show them to an agent.

Read `page` (what a page is), `app` (what a site is) and `events` (what an agent may do) first; `world` puts them
together. `tree` hands pages over as they are; `asgi` renders them as HTML and reads that back; a real browser is the
third. Whatever the backend, the same actions lead to the same state, facts and candidates.
"""

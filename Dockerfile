# EnvReward with everything a design run needs:  docker build -t envreward . && docker run --rm -it envreward design --env Hopper
# Bubblewrap needs user namespaces in the container: run with --security-opt seccomp=unconfined, or choose --sandbox process
# when the container itself is your sandbox.
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap libegl1 libosmesa6 libgl1-mesa-dri \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/envreward
COPY pyproject.toml README.md LICENSE ./
COPY envreward envreward
COPY envs envs
COPY designers designers
COPY sandboxes sandboxes
RUN pip install --no-cache-dir ".[sb3]"
WORKDIR /data
VOLUME /data
ENTRYPOINT ["envreward"]
CMD ["--help"]

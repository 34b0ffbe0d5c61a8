"""From a study's record to `ReportData`: what is in it, what is missing, and why."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from envreward.errors import EnvRewardError, UnknownNameError
from envreward.studies.config import StudyConfig
from envreward.studies.folder import RunFolder
from envreward.studies.journal import Event
from envreward.studies.lock import is_locked
from envreward.studies.records import Candidate, TrainedMember, best
from envreward.studies.store import StudyStore
from envreward.studies.traces import traces_of
from envreward.task import Task
from envreward.training.config import MetricRow

from .data import ARMS, Arm, ArmName, ReportData, StudyState
from .rerun import RECORDING, rerun_command

if TYPE_CHECKING:
    from .judged import Judged

CURVE_POINTS = 50


def load_report_data(run_dir: Path, *, film: bool = False, judge: bool = False) -> ReportData:
    """Read a study's folder.

    Args:
        run_dir: The study's folder, whatever state the study is in.
        film: Film the winner's policy where no film of it is in the folder yet.
        judge: Judge the winner's reward on episodes where that was not done yet and costs next to nothing.

    Raises:
        StudyError: The folder holds no readable study.
    """
    folder = RunFolder(run_dir)
    with StudyStore.open(run_dir) as store:
        config, members, candidates = store.config, store.members(*ARMS), store.candidates()
        winner = best(candidates)
        mine = [m for m in members if m.role != "winner" or (winner is not None and m.candidate == winner.id)]
        state, stop_reason = _state(store)
        task = _task(config.env_id)
        arms = tuple(_arm(name, [m for m in mine if m.role == name], folder, task) for name in ARMS)
        video, note = _video(folder, mine, film=film)
        verified = store.verified().get(winner.id) if winner is not None else None
        call_s = verified.time_per_call_s if verified is not None else None
        judged, judged_note = _judged(folder, config, winner, mine, call_s, judge=judge)
        return ReportData(
            name=run_dir.resolve().name,
            config=config,
            state=state,
            stop_reason=stop_reason,
            started=f"{datetime.datetime.fromtimestamp(store.started(), datetime.UTC):%Y-%m-%d %H:%M} UTC",
            fitness_doc=task.fitness_doc if task is not None else "",
            expert_doc=task.expert.doc if task is not None and task.expert is not None else "",
            candidates=tuple(candidates),
            winner_id=winner.id if winner is not None else None,
            arms=arms,
            spent=store.spent(),
            phases_s=store.phases_s(),
            versions=store.versions(),
            commands=_commands(folder, config, state, stop_reason, mine),
            video_mp4=video,
            video_note=note,
            call_s=call_s,
            judged=judged,
            judged_note=judged_note,
            notes=_notes(mine, config.final_seeds),
        )


def median_policy(members: Sequence[TrainedMember]) -> TrainedMember | None:
    """Return the winner's policy of median fitness, the lower of two: the one to show, as the best would flatter."""
    scored = [(m.evaluation.fitness, m.key, m) for m in members if m.role == "winner" and m.evaluation is not None]
    return sorted(scored)[(len(scored) - 1) // 2][2] if scored else None


def _state(store: StudyStore) -> tuple[StudyState, str]:
    """Return the study's state, and the limits that its last session ran into."""
    session: list[Event] = []
    for event in store.events():
        session = [] if event.kind in ("started", "resumed") else [*session, event]
    reason = "; ".join(dict.fromkeys(event.text for event in session if event.kind == "stopped" and event.text))
    # A study that has finished may still be open in the process that writes this.
    if any(event.kind == "finished" for event in session):
        return "finished", reason
    return ("running", "") if is_locked(store.folder) else ("interrupted", reason)


def _task(env_id: str) -> Task | None:
    from envreward.registry import make_task

    try:
        return make_task(env_id)
    except (UnknownNameError, ImportError):  # the family that the study used is not installed here
        return None


def _arm(name: ArmName, members: Sequence[TrainedMember], folder: RunFolder, task: Task | None) -> Arm:
    scored = sorted((m for m in members if m.evaluation is not None), key=lambda m: m.seed)
    rows: dict[str, list[MetricRow]] = {}
    for training in dict.fromkeys(m.training for m in scored):
        for row in folder.rows(training, {m.key for m in scored}):
            rows.setdefault(row.key, []).append(row)
    return Arm(
        name=name,
        evaluations=tuple(m.evaluation for m in scored if m.evaluation is not None),
        curves=tuple(traces_of(rows[m.key], CURVE_POINTS) for m in scored if m.key in rows),
        broken=sum(row.broken for m in scored for row in rows.get(m.key, ())),
        absent="" if scored else _why_absent(name, members, task),
    )


def _why_absent(name: ArmName, members: Sequence[TrainedMember], task: Task | None) -> str:
    if name == "expert" and task is not None and task.expert is None:
        return "no human-written reward is published for this task"
    ended = [m for m in members if m.status != "trained"]
    if ended:
        return f"its training ended as {ended[0].status.replace('_', ' ')}" + (
            f": {ended[0].reason}" * bool(ended[0].reason)
        )
    return "trained, not evaluated" if members else "not run"


def _notes(members: Sequence[TrainedMember], wanted: int) -> tuple[str, ...]:
    found = []
    for name in ARMS:
        mine = [m for m in members if m.role == name]
        scored = sum(m.evaluation is not None for m in mine)
        if mine and 0 < scored < wanted:
            found.append(
                f"Only {scored} of {wanted} trainings of the {name} reward were scored; the others are left out of its "
                "numbers, which may flatter it."
            )
    reused = sorted({m.role for m in members if m.reused})
    if reused:
        found.append(
            f"The policies of the {' and the '.join(reused)} reward were trained by an earlier study with the same "
            "code, settings and seeds, and are not in this study's costs."
        )
    return tuple(found)


def _video(folder: RunFolder, members: Sequence[TrainedMember], *, film: bool) -> tuple[bytes | None, str]:
    member = median_policy(members)
    if member is None or member.evaluation is None:
        return None, "There is no video: no policy of a winner has been trained on a fresh seed."
    path = folder.path / f"{member.key}.mp4"
    if not path.is_file() and film:
        from envreward.video import record_video

        try:
            record_video(folder.policy(member.training, member.key), path)
        except (EnvRewardError, OSError) as error:
            return None, f"There is no video: {error}"
    if not path.is_file():
        return None, f"There is no video yet: envreward report {folder.path} makes one."
    runs = sum(m.evaluation is not None for m in members if m.role == "winner")
    chosen = f"the policy of median fitness among {runs}" if runs > 1 else "the only policy"
    return path.read_bytes(), f"The designed reward at work: {chosen} (seed {member.seed}), in real time."


def _judged(
    folder: RunFolder,
    config: StudyConfig,
    winner: Candidate | None,
    members: Sequence[TrainedMember],
    call_s: float | None,
    *,
    judge: bool,
) -> tuple[Judged | None, str]:
    """Return what judging the winner came to, or why there is nothing."""
    from .judged import judge_winner, read_judged, why_not

    if winner is None:
        return None, ""
    kept = read_judged(folder, winner)
    if kept is not None or not judge:
        return kept, ""
    median = median_policy(members)
    if median is None:
        return None, "no policy has been trained with it on a fresh seed"
    others = {m.role: m for m in members if m.role != "winner" and m.evaluation is not None}
    try:
        return judge_winner(folder, config, winner, [median, *others.values()], call_s), ""
    except (EnvRewardError, OSError) as error:
        return None, why_not(error)


def _commands(
    folder: RunFolder, config: StudyConfig, state: StudyState, stop_reason: str, members: Sequence[TrainedMember]
) -> dict[str, str]:
    run = shlex.quote(str(folder.path))
    commands = {}
    if state != "finished":
        commands["Go on with the study"] = f"envreward resume {run}"
    elif stop_reason:
        commands["Go on with a higher limit, e.g."] = f"envreward resume {run} --max-minutes 60"
    recording = folder.path / RECORDING
    if recording.is_file():
        commands["Run it again with the recorded answers: no key, no cost"] = rerun_command(config, recording)
    else:
        commands["Run it again"] = rerun_command(config, None)
    commands["Look at it in the terminal"] = f"envreward show {run}"
    commands["Write this report again"] = f"envreward report {run}"
    member = median_policy(members)
    if member is not None:
        policy = shlex.quote(str(folder.policy(member.training, member.key)))
        commands["Score the filmed policy on fresh episodes"] = f"envreward evaluate {policy}"
        commands["Film it"] = f"envreward video {policy} --out film.mp4"
    return commands

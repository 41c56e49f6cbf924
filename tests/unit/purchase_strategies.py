"""Generated purchases for property tests: few ids, keys and times, so that sets of them overlap."""

from dataclasses import replace

from hypothesis import strategies as st

from pipeline.jobs import JobKey
from pipeline.json_values import Json
from pipeline.purchases import (
    Decisions,
    Output,
    Purchase,
    PurchaseId,
    Reason,
    Records,
    Served,
    Status,
    Step,
    WorkflowId,
)

IDS = [PurchaseId(f"{number:016x}") for number in range(4)]
KEYS = ["a/b", "a/c", "a/d=1"]
TIMES = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]

ids = st.sampled_from(IDS)
keys = st.sampled_from(KEYS)
# Characters that are difficult in some record format, but can be written in all of them.
texts = st.text(
    alphabet=[
        *"a\"'#:-?=<>{}&*!|% \n\r\t\\",
        "é",
        "\x1b",
        "\x85",
        "\u2028",
        "\ufeff",
        "\uffff",
        "\U0001f388",
    ],
    max_size=5,
)
# Also characters that no record can hold but a server can send: a NUL, and a lone surrogate.
wild_texts = st.text(alphabet=["a", "é", '"', "\0", "\ud800", "\U0001f388"], max_size=3)
names = texts.filter(bool)
hashes = st.sampled_from([None, "a" * 64, "0" * 64])
json_values: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
outputs = st.builds(
    Output,
    content_type=st.sampled_from(["video/mp4", "image/png"]),
    url=st.none() | texts,
    sha256=hashes,
    bytes=st.none() | st.sampled_from([0, 9, 2**53]),
).filter(lambda output: output.sha256 is None or output.bytes is not None)
reasons = st.sampled_from([Reason.REJECTED, Reason.VENDOR, Reason.LOST])
steps = st.builds(Step, flow=names, outputs=st.lists(outputs, max_size=2).map(tuple))


def _born(purchase_id: PurchaseId) -> Purchase:
    """Key, time and fingerprint are derived from the id, as they never change."""
    number = IDS.index(purchase_id)
    return Purchase(
        id=purchase_id,
        key=JobKey(KEYS[number % len(KEYS)]),
        fingerprint=f"v1:{number % 2:064x}",
        status=Status.SUBMITTING,
        bought_at=TIMES[number % 2],
        template_id="t",
    )


requests: st.SearchStrategy[dict[str, Json]] = st.fixed_dictionaries(
    {},
    optional={
        "options": st.dictionaries(texts, json_values, max_size=3),
        "images": st.lists(st.dictionaries(texts, texts, max_size=2), max_size=2),
        **dict.fromkeys(("event_id", "title", "description"), texts),
        "visibility": st.sampled_from(["private", "unlisted", "public"]),
    },
)
# These statuses require the id of a workflow.
_HAVE_WORKFLOW = {Status.SUBMITTED, Status.SUCCEEDED, Status.DONE}


@st.composite
def purchases(draw: st.DrawFn) -> Purchase:
    """A purchase with any recordable value in any field."""
    status = draw(st.sampled_from(Status))
    workflow_ids = [WorkflowId("w1"), WorkflowId("w2"), *([] if status in _HAVE_WORKFLOW else [None])]
    return replace(
        _born(draw(ids)),
        key=JobKey(draw(names)),
        template_id=draw(names),
        status=status,
        reason=draw(reasons) if status is Status.FAILED else None,
        inputs=draw(st.sampled_from([(), (IDS[0],)])),
        replaces=draw(st.sampled_from([(), (IDS[1],), tuple(IDS[:2])])),
        workflow_id=draw(st.sampled_from(workflow_ids)),
        request=draw(requests),
        outputs=draw(st.lists(outputs, max_size=2).map(tuple)),
        steps=draw(st.lists(steps, max_size=2).map(tuple)),
        credits=draw(st.none() | st.sampled_from([0, 9, 10**9])),
        created_at=draw(st.none() | texts),
        updated_at=draw(st.none() | st.sampled_from(TIMES)),
        path=draw(texts),
        error=draw(st.none() | texts),
        deleted=draw(st.booleans()),
        removed=draw(st.booleans()),
        again=draw(st.booleans()),
    )


# Files of a purchase as several machines may have them: listed, or fetched too.
_files = st.lists(
    st.sampled_from(
        [
            Output("video/mp4", url="u"),
            Output("video/mp4", url="v"),
            Output("video/mp4", url="u", sha256="a" * 64, bytes=1),
            Output("video/mp4", url="v", sha256="0" * 64, bytes=1),
        ]
    ),
    max_size=2,
).map(tuple)


def _copies(purchase_id: PurchaseId) -> st.SearchStrategy[Purchase]:
    """Copies of one purchase that differ in the fields that a merge compares."""
    return st.builds(
        lambda status, workflow_id, files, steps, credits_known, updated_at, path, error, flags: replace(
            _born(purchase_id),
            status=status,
            reason=Reason.VENDOR if status is Status.FAILED else None,
            workflow_id=WorkflowId("w1") if workflow_id is None and status in _HAVE_WORKFLOW else workflow_id,
            outputs=files,
            steps=steps,
            credits=credits_known,
            updated_at=updated_at,
            path=path,
            error=error,
            **dict(zip(("deleted", "removed", "again"), flags, strict=True)),
        ),
        # Those that succeeded are joined file by file.
        st.sampled_from([*Status, Status.SUCCEEDED, Status.SUCCEEDED]),
        st.sampled_from([None, WorkflowId("w1"), WorkflowId("w2")]),
        _files,
        st.lists(st.builds(Step, flow=st.sampled_from("xy"), outputs=_files), max_size=2).map(tuple),
        st.sampled_from([None, 5, 9]),
        st.sampled_from([None, *TIMES]),
        st.sampled_from(["x", "y"]),
        st.sampled_from([None, "410"]),
        st.tuples(st.booleans(), st.booleans(), st.booleans()),
    )


# The purchase that served a key last is sometimes not in the set, as in a file edited by hand.
records = st.builds(
    Records,
    st.fixed_dictionaries({}, optional={purchase_id: _copies(purchase_id) for purchase_id in IDS}),
    st.dictionaries(keys, st.builds(Served, purchase=ids, serial=st.integers(1, 3)), max_size=3),
)

decisions = st.builds(
    Decisions,
    approved=st.dictionaries(ids, keys, max_size=2),
    rejected=st.frozensets(ids, max_size=1),
    redo=st.frozensets(ids, max_size=1),
    order=st.dictionaries(ids, st.integers(1, 3), max_size=2),
)


def bought(status: Status = Status.SUBMITTED, **fields: object) -> Purchase:
    """A purchase with these fields, the same in all else."""
    made = Purchase(
        id=PurchaseId(IDS[0]),
        key=JobKey("a/b"),
        fingerprint="v1:0",
        status=status,
        bought_at="2026-01-01T00:00:00Z",
        template_id="t",
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # each test names fields of its own

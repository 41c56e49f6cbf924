"""A month of one team's campaign in git: each plan predicts what happens, and git shows that and nothing else."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, picture
from support.checks import assert_nothing_bought_twice, assert_nothing_forgotten, assert_whole
from support.machines import Machine, Remote, git

from pipeline.emulator.embedded import Emulator

EVERYONE = ("blue", "red")
LOCALES = ("en", "fr")


@dataclass
class Wishes:
    """The content of the manifest as the team edits it."""

    prompts: dict[str, str] = field(default_factory=lambda: {"walk": "a walk", "dance": "a dance"})
    locales: list[str] = field(default_factory=lambda: ["en"])
    products: list[Any] = field(default_factory=lambda: ["images/blue.png", "images/red.png"])
    set_name: str = "shoes"
    title: str = "Sprnig ({{ purchase }})"
    scene: str = "video"
    limits: dict[str, int] = field(default_factory=dict)

    def manifest(self) -> dict[str, Any]:
        """The campaign: a loop for each product, prompt and locale, and a scene for each product."""
        loop = {"prompt": "{{ prompt }}, {{ locale }}"}
        rules = [
            {"id": "loop", "templates": ["loop"], "matrix": {"locale": self.locales}},
            {"id": "scene", "templates": ["arctic"], "prompts": []},
        ]
        return {
            "version": 1,
            "name": "spring",
            "prompts": self.prompts,
            "limits": self.limits,
            # The emulator's price of a template without a published one.
            "catalog": {"credits": {"vim_arctic": 100}},
            "image_sets": {self.set_name: self.products},
            "jobs": rules,
            "templates": {
                "arctic": {
                    "template_id": "vim_arctic",
                    "options": {"pipeline_mode": self.scene},
                    "title": self.title,
                },
                "loop": {"template_id": "each_explodedloop_0226", "options": loop, "title": self.title},
            },
        }


Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """The diff of the results manifest: jobs and purchases that are added, changed or removed."""

    jobs: frozenset[str]
    added: frozenset[str]
    changed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Step:
    """What a run did. `actions` are those of its plan by key, except kept ones; `bought` are the keys paid for."""

    code: int
    actions: Mapping[str, str]
    bought: Counter[str]
    difference: Difference

    @property
    def credits(self) -> int:
        return 100 * self.bought.total()


@dataclass
class Member:
    """A machine of the team."""

    machine: Machine
    pipeline: Pipeline
    vendor: Emulator
    wishes: Wishes

    @property
    def project(self) -> Project:
        return self.machine.project

    def edit(self) -> None:
        """Commit the current manifest."""
        self.project.write({"campaign.yaml": self.wishes.manifest()})
        git(self.project.folder, "commit", "-qam", "edit")

    def plan(self, *flags: str | Path) -> Any:
        ended = self.pipeline("plan", self.project.manifest, "--format", "json", *flags)
        assert ended.code == 0, ended.output
        return ended.document

    def step(self, *flags: str) -> Step:
        """Plan and run, check that the run did what the plan said, and commit the results."""
        planned = self.plan(*flags)
        return self.carry_out(planned, self.project.manifest, *flags)

    def carry_out(self, planned: Any, *run: str | Path) -> Step:
        """Carry out the plan, and compare plan, ledger and results."""
        before, spent = len(self.vendor.ledger.bought), self.spent()
        ended = self.pipeline("run", *run)
        sold = self.vendor.ledger.bought[before:]
        buying = {each["key"]: each["credits"] for each in planned["actions"] if each["action"] in _BUYING}
        assert {each.credits for each in sold} <= {100}
        if ended.code not in {3, 4}:
            assert len(sold) == planned["summary"]["creates"] == len(buying), ended.output
            assert sum(each.credits for each in sold) == planned["summary"]["credits"] == sum(buying.values())
        shown = self.difference()
        bought = Counter(self.rows("purchases")[purchase_id]["key"] for purchase_id in shown.added)
        assert bought.total() == len(sold)
        assert set(bought) <= set(buying)
        assert self.spent() == spent + sum(each.credits for each in sold)
        self.commit()
        actions = {each["key"]: each["action"] for each in planned["actions"] if each["action"] != "keep"}
        return Step(ended.code, actions, bought, shown)

    def rows(self, name: str) -> Rows:
        """The jobs or purchases of the results on disk."""
        return _rows(self.project.results(), name)

    def spent(self) -> int:
        """The credits of all runs according to the results."""
        known = self.project.results_file.exists()
        return int(self.project.results()["summary"]["credits"]) if known else 0

    def difference(self) -> Difference:
        """The `git diff` of the results, by the objects that the lines belong to."""
        committed = git(self.project.folder, "show", f"HEAD:{self.project.results_file.name}", check=False)
        before = json.loads(committed.stdout) if committed.returncode == 0 else {"jobs": [], "purchases": []}
        now = self.project.results()
        old, new = _rows(before, "purchases"), _rows(now, "purchases")
        # No purchase is ever removed.
        assert set(old) <= set(new)
        heads = [
            {
                name: value
                for name, value in each.items()
                if name not in {"jobs", "served", "purchases", "summary", "media"}
            }
            for each in (before, now)
        ]
        assert heads[0] in ({}, heads[1])
        return Difference(
            frozenset(_changed(_rows(before, "jobs"), _rows(now, "jobs"))),
            frozenset(set(new) - set(old)),
            frozenset(_changed(old, {purchase_id: new[purchase_id] for purchase_id in old})),
        )

    def commit(self) -> None:
        """Commit the results if they changed."""
        git(self.project.folder, "add", self.project.results_file.name)
        if git(self.project.folder, "diff", "--cached", "--quiet", check=False).returncode:
            git(self.project.folder, "commit", "-qm", "results")

    def purchase(self, key: str) -> str:
        """The purchase that serves a job."""
        purchase_id: str = self.rows("jobs")[key]["purchase"]
        return purchase_id

    def assert_nothing_to_do(self) -> None:
        """A further run has nothing to do and changes nothing in git."""
        step = self.step()
        assert step.bought.total() == 0
        assert step.difference == NOTHING


_BUYING = {"create", "replace", "retry"}
NOTHING = Difference(frozenset(), frozenset(), frozenset())


def _rows(document: Mapping[str, Any], name: str) -> Rows:
    return {row["key" if name == "jobs" else "id"]: row for row in document.get(name, ())}


def _changed(old: Rows, new: Rows) -> set[str]:
    return {purchase_id for purchase_id in {*old, *new} if old.get(purchase_id) != new.get(purchase_id)}


def loops(
    products: tuple[str, ...], prompts: tuple[str, ...], locales: tuple[str, ...] = ("en",)
) -> set[str]:
    """Keys of the rule `loop`."""
    return {
        f"loop/loop/{product}/{prompt}/locale={locale}"
        for product in products
        for prompt in prompts
        for locale in locales
    }


def scenes(*products: str) -> set[str]:
    """Keys of the rule `scene`."""
    return {f"scene/arctic/{product}" for product in products}


def all_of(action: str, keys: set[str]) -> dict[str, str]:
    """A plan in which nothing else happens."""
    return dict.fromkeys(keys, action)


Clone = Callable[[str], Machine]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """Creates a machine with a clone of the team's repository."""
    images = {f"images/{name}.png": picture(name) for name in EVERYONE}
    remote = Remote.of(tmp_path / "remote", {"campaign.yaml": Wishes().manifest(), **images})
    return lambda name: remote.machine(tmp_path / name, "spring")


@pytest.fixture
def member(clone: Clone, pipeline: Pipeline, vendor: Emulator) -> Member:
    """The machine on which the campaign begins."""
    return Member(clone("home"), pipeline, vendor, Wishes())


def test_month_of_edits_reviews_failures_and_machines_follows_each_plan(
    member: Member, clone: Clone, vendor: Emulator
) -> None:
    begin_and_change_ones_mind(member)
    rename_and_swap(member)
    grow_and_shrink(member)
    review(member)
    meet_failures_and_the_budget(member)
    carry_a_saved_plan_over_to_another_machine(member, clone)
    share_with_a_machine_that_forgets(member, clone)
    merge_two_branches(member, clone)

    assert_nothing_bought_twice(vendor)
    assert_nothing_forgotten(member.project, vendor)
    assert member.spent() == vendor.ledger.spent
    collected = member.pipeline("collect", member.project.manifest)
    assert collected.code == 0, collected.output
    assert_whole(member.project)


def _without_orphans(step: Step) -> dict[str, str]:
    return {key: action for key, action in step.actions.items() if action != "orphan"}


def begin_and_change_ones_mind(member: Member) -> None:
    everything = loops(EVERYONE, ("dance", "walk")) | scenes(*EVERYONE)
    first = member.step()
    assert first.code == 0
    assert first.actions == all_of("create", everything)
    assert first.credits == 600
    assert first.difference.jobs == everything
    before = {key: member.purchase(key) for key in everything}

    walks = loops(EVERYONE, ("walk",))
    member.wishes.prompts["walk"] = "a slow walk"
    member.edit()
    edited = git(member.project.folder, "rev-parse", "HEAD").stdout.strip()
    changed = member.step()
    assert changed.actions == all_of("replace", walks)
    assert changed.difference.jobs == changed.bought.keys() == walks
    assert not changed.difference.changed

    git(member.project.folder, "revert", "--no-edit", edited)
    member.wishes.prompts["walk"] = "a walk"
    reverted = member.step()
    assert reverted.actions == all_of("move", walks)
    assert reverted.difference == Difference(frozenset(walks), frozenset(), frozenset())
    assert {key: member.purchase(key) for key in everything} == before
    member.assert_nothing_to_do()


def rename_and_swap(member: Member) -> None:
    both = loops(EVERYONE, ("dance", "walk"))
    before = {key: member.purchase(key) for key in both}
    member.wishes.prompts = {"walk": "a dance", "dance": "a walk"}
    member.edit()
    swapped = member.step()
    assert swapped.actions == all_of("move", both)
    assert swapped.difference == Difference(frozenset(both), frozenset(), frozenset())
    assert all(
        member.purchase(key.replace("walk", "dance")) == before[key] for key in loops(EVERYONE, ("walk",))
    )

    member.wishes.set_name = "sneakers"
    member.edit()
    member.assert_nothing_to_do()

    member.wishes.products[1] = {"path": "images/red.png", "id": "runner"}
    member.edit()
    renamed = member.step()
    here, gone = (loops((name,), ("dance", "walk")) | scenes(name) for name in ("runner", "red"))
    # What was bought before the change is kept, though its key is gone.
    assert renamed.actions == {**all_of("move", here), **all_of("orphan", loops(("red",), ("walk",)))}
    assert renamed.difference == Difference(frozenset(here | gone), frozenset(), frozenset())
    member.assert_nothing_to_do()


def grow_and_shrink(member: Member) -> None:
    products = ("blue", "runner")
    french = loops(products, ("dance", "walk"), ("fr",))
    member.wishes.locales.append("fr")
    member.edit()
    grown = member.step()
    assert _without_orphans(grown) == all_of("create", french)
    assert grown.difference.jobs == grown.bought.keys() == french

    everything = loops(products, ("dance", "walk"), LOCALES) | scenes(*products)
    assignment = {member.purchase(key) for key in everything}
    member.wishes.title = "Spring ({{ purchase }})"
    member.edit()
    retitled = member.step()
    assert _without_orphans(retitled) == all_of("update", everything)
    assert retitled.difference == Difference(frozenset(), frozenset(), frozenset(assignment))
    titles = {workflow.title for workflow in member.vendor.store.workflows()}
    assert {f"Spring ({purchase_id})" for purchase_id in assignment} <= titles

    gone = loops(("blue",), ("dance", "walk"), LOCALES) | scenes("blue")
    member.wishes.products.pop(0)
    member.edit()
    shrunk = member.step()
    assert shrunk.actions == all_of("orphan", gone | loops(("red",), ("walk",)))
    assert shrunk.difference == Difference(frozenset(gone), frozenset(), frozenset())
    assert shrunk.code == 0


def review(member: Member) -> None:
    [approved] = loops(("runner",), ("walk",))
    [french] = loops(("runner",), ("walk",), ("fr",))
    kept = member.purchase(approved)
    assert member.pipeline("approve", member.project.manifest, approved).code == 0
    git(member.project.folder, "add", "spring.decisions.yaml")
    member.wishes.prompts["walk"] = "a wild dance"
    member.edit()
    pinned = member.step()
    assert _without_orphans(pinned) == {approved: "pinned", french: "replace"}
    assert pinned.difference.jobs == {approved, french}
    assert set(pinned.bought) == {french}
    assert member.purchase(approved) == kept

    [again] = loops(("runner",), ("dance",))
    old = member.purchase(again)
    assert member.pipeline("redo", member.project.manifest, again).code == 0
    git(member.project.folder, "commit", "-qam", "decisions")
    redone = member.step()
    assert _without_orphans(redone) == {approved: "pinned", again: "replace"}
    assert redone.difference.jobs == redone.bought.keys() == {again}
    assert member.purchase(again) != old
    member.assert_nothing_to_do()


def meet_failures_and_the_budget(member: Member) -> None:
    spins = loops(("runner",), ("spin",), LOCALES)
    member.wishes.prompts["spin"] = "a spin"
    member.edit()
    member.vendor.fail({"on": "create", "do": "fail"})
    failed = member.step()
    assert failed.code == 1
    assert failed.difference.jobs == failed.bought.keys() == spins
    member.vendor.clear_faults()
    again = member.step()
    assert (again.code, again.bought.total(), again.difference) == (1, 0, NOTHING)
    retried = member.step("--retry-failed")
    assert retried.code == 0
    assert {key for key, action in retried.actions.items() if action == "retry"} == spins
    assert retried.difference.jobs == retried.bought.keys() == spins
    assert not retried.difference.changed

    hops = loops(("runner",), ("hop",), LOCALES)
    member.wishes.prompts["hop"] = "a hop"
    member.wishes.limits = {"budget": member.spent() + 199}
    member.edit()
    entries = len(member.vendor.ledger.entries)
    stopped = member.step()
    assert stopped.code == 4
    assert stopped.difference == Difference(frozenset(hops), frozenset(), frozenset())
    assert len(member.vendor.ledger.entries) == entries


def carry_a_saved_plan_over_to_another_machine(member: Member, clone: Clone) -> None:
    hops = loops(("runner",), ("hop",), LOCALES)
    saved = member.project.folder / "spring.plan.json"
    member.wishes.limits = {"concurrency": 1}
    member.edit()
    stale = member.plan("--out", saved)
    member.wishes.prompts["hop"] = "a high hop"
    member.edit()
    refused = member.carry_out(stale, saved)
    assert (refused.code, refused.difference) == (3, NOTHING)

    planned = member.plan("--out", saved)
    git(member.project.folder, "add", saved.name)
    member.vendor.store.credits = member.vendor.ledger.spent + 100
    half = member.carry_out(planned, saved)
    member.vendor.store.credits = None
    assert half.code == 4
    assert half.bought.total() == 1
    # The other one is still to be bought, with the current request.
    assert half.difference.jobs == hops

    member.machine.push()
    other = Member(clone("other"), member.pipeline, member.vendor, member.wishes)
    elsewhere = other.project.folder / saved.name
    whole = other.carry_out(other.plan(), elsewhere)
    assert whole.code == 0
    assert whole.difference.jobs == whole.bought.keys() == hops - half.bought.keys()
    once_more = other.carry_out(other.plan(), elsewhere)
    assert (once_more.code, once_more.difference) == (0, NOTHING)
    other.machine.push()
    member.machine.pull()
    member.assert_nothing_to_do()


def share_with_a_machine_that_forgets(member: Member, clone: Clone) -> None:
    ci = Member(clone("ci"), member.pipeline, member.vendor, member.wishes)
    assert ci.plan()["summary"]["creates"] == 0
    frozen = ci.carry_out(ci.plan(), ci.project.manifest, "--frozen")
    assert (frozen.code, frozen.difference) == (0, NOTHING)

    jumps = loops(("runner",), ("jump",), LOCALES)
    ci.wishes.prompts["jump"] = "a jump"
    ci.edit()
    bought = ci.carry_out(ci.plan(), ci.project.manifest, "--require-results")
    assert bought.difference.jobs == bought.bought.keys() == jumps
    ci.machine.push()
    member.machine.pull()
    member.assert_nothing_to_do()


def merge_two_branches(member: Member, clone: Clone) -> None:
    other = Member(clone("branch"), member.pipeline, member.vendor, deepcopy(member.wishes))
    other.wishes.scene = "image"
    other.edit()
    theirs = other.step()
    assert theirs.bought.keys() == scenes("runner")
    other.machine.push()

    member.wishes.prompts = {"glide": "a glide", **member.wishes.prompts}
    member.edit()
    ours = member.step()
    assert ours.bought.keys() == loops(("runner",), ("glide",), LOCALES)
    before = set(member.rows("purchases"))

    member.machine.pull()

    assert set(member.rows("purchases")) == before | set(other.rows("purchases"))
    member.wishes.scene = "image"
    settled = member.step()
    assert settled.bought.total() == 0
    assert not settled.difference.added | settled.difference.changed
    assert set(member.rows("jobs")) == loops(
        ("runner",), ("dance", "glide", "hop", "jump", "spin", "walk"), LOCALES
    ) | scenes("runner")
    assert {row["status"] for row in member.rows("jobs").values()} == {"done"}

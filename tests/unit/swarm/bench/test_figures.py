"""From what was measured to what an operator reads."""

from dataclasses import replace

import pytest
from rich.console import Console

from swarm.bench.figures import Carried, Joined, Load, figures, heavier
from swarm.bench.view import bench_view, progress

SMALL = Load("small", packets_per_frame=3, packet_bytes=1000, frames_per_second=25)
FULL = Load("full", packets_per_frame=10, packet_bytes=1250, frames_per_second=30)
JOINED = Joined(viewers=100, seconds=2.0, node_cpu_seconds=0.5, node_megabytes=12.5)


def carried(load: Load = SMALL) -> Carried:
    """100 viewers for 10 s at a tenth of a core, nothing lost."""
    sent = load.packets_per_frame * load.frames_per_second * 10
    return Carried(load, 100, 10.0, 10.0, 1.0, 0.05, sent, 100 * sent)


def test_a_stream_has_the_bits_of_its_packets() -> None:
    assert SMALL.bits_per_second == 600_000


def test_everything_is_scaled_to_one_core() -> None:
    found = figures(JOINED, carried(FULL), [carried()])
    assert found["viewers_per_core"] == {"small": 1000}
    assert found["packets_per_second_per_core"] == 300_000
    assert found["mbit_per_second_per_core"] == 3000
    assert found["joins_per_second_per_core"] == 200
    assert found["joins_per_second_seen"] == 50
    assert found["kilobytes_per_viewer"] == 128
    assert (found["saturated"], found["notes"]) == (False, [])


def test_each_load_is_told_as_it_was_measured() -> None:
    (small, full) = figures(JOINED, carried(FULL), [carried()])["loads"]
    assert small == {
        "name": "small",
        "stream_kbit_per_second": 600,
        "packets_per_second": 7500,
        "node_cpu_percent": 10.0,
        "us_per_packet": 13.33,
        "lost_percent": 0.0,
        "load_cpu_percent": 5.0,
    }
    assert full["name"] == "full"


@pytest.mark.parametrize("change", [{"load_cpu_share": 0.95}, {"seconds": 12.0}])
def test_a_load_generator_at_its_limit_is_told(change: dict[str, float]) -> None:
    found = figures(JOINED, carried(FULL), [replace(carried(), **change)])  # type: ignore[arg-type]
    assert found["saturated"]
    (note,) = found["notes"]
    assert note.startswith("small: the load generator was at its limit")


def test_packets_that_did_not_arrive_are_told_and_no_viewer_counts_for_them() -> None:
    half = replace(carried(), packets_arrived=carried().packets_arrived // 2)
    found = figures(JOINED, carried(FULL), [half])
    assert found["viewers_per_core"] == {"small": 500}
    assert found["loads"][0]["lost_percent"] == 50
    assert "50.0% of the packets did not arrive" in found["notes"][0]


def test_packets_that_came_twice_are_no_negative_loss() -> None:
    assert replace(carried(), packets_arrived=10**6).lost_share == 0


def test_nothing_arrived_is_everything_lost() -> None:
    found = figures(JOINED, replace(carried(FULL), packets_arrived=0, packets_sent=0), [carried()])
    assert found["loads"][1]["us_per_packet"] is None
    assert found["loads"][1]["lost_percent"] == 100


def test_the_heavy_load_makes_a_node_half_busy() -> None:
    # 13.3 µs a packet, 100 viewers, 300 packets a second each: 40% of a core at 30 frames a second.
    assert heavier(FULL, carried()).frames_per_second == 38


@pytest.mark.parametrize(("cpu", "frames"), [(100.0, 30), (0.001, 240)])
def test_the_heavy_load_has_no_fewer_frames_and_not_too_many(cpu: float, frames: int) -> None:
    assert heavier(FULL, replace(carried(), node_cpu_seconds=cpu)).frames_per_second == frames


def test_the_view_shows_figures_and_notes() -> None:
    found = figures(JOINED, carried(FULL), [replace(carried(), load_cpu_share=1.0)])
    machine = {"cores": 2, "processor": "P", "kernel": "6.1", "python": "3.11", "swarmd": "0.1"}
    console = Console(width=200)
    with console.capture() as captured:
        console.print(bench_view(found | {"machine": machine, "seconds": 5.0}))
    text = captured.get()
    for word in ("viewers at small", "1,000", "300,000", "2 x P", "note: small: the load generator"):
        assert word in text


def test_without_a_terminal_each_step_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(2) as report:
        report("one")
        report("two")
    assert capsys.readouterr() == ("", "one\ntwo\n")

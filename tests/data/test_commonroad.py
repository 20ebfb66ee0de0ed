from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import DataError
from drivetrain.data import check, open_log
from drivetrain.data.log import Box, Lane, Stream
from drivetrain.data.sources.elements import pieces

SCENARIO = """<?xml version="1.0" encoding="utf-8"?>
<commonRoad commonRoadVersion="2020a" timeStepSize="0.2">
  <lanelet id="1">
    <leftBound><point><x>0</x><y>4</y></point><point><x>9</x><y>4</y></point></leftBound>
    <rightBound><point><x>0</x><y>0</y></point><point><x>9</x><y>0</y></point></rightBound>
    <successor ref="2"/>
    <adjacentLeft ref="3" drivingDir="opposite"/>
    <adjacentRight ref="4" drivingDir="same"/>
    <trafficSignRef ref="7"/>
  </lanelet>
  <trafficSign id="7"><trafficSignElement>
    <trafficSignID>R2-1</trafficSignID><additionalValue>20</additionalValue>
  </trafficSignElement></trafficSign>
  <staticObstacle id="11"><type>parkedVehicle</type>
    <shape><rectangle><length>4</length><width>2</width></rectangle></shape>
    <initialState>
      <position><rectangle><length>1</length><width>1</width><center><x>5</x><y>6</y></center></rectangle></position>
      <orientation><intervalStart>0.1</intervalStart><intervalEnd>0.3</intervalEnd></orientation>
      <time><exact>0</exact></time>
    </initialState>
  </staticObstacle>
  <dynamicObstacle id="12"><type>bicycle</type>
    <shape><circle><radius>0.5</radius><center><x>1</x><y>0</y></center></circle></shape>
    <initialState>
      <position><point><x>1</x><y>2</y></point></position><orientation><exact>1.5707963267948966</exact></orientation>
      <time><exact>3</exact></time><velocity><exact>2</exact></velocity>
    </initialState>
    <trajectory><state>
      <position><point><x>1</x><y>2.4</y></point></position><orientation><exact>0</exact></orientation>
      <time><exact>4</exact></time>
    </state></trajectory>
  </dynamicObstacle>
</commonRoad>"""


def _write(folder: Path, text: str) -> Path:
    file = folder / "scenario.xml"
    file.write_text(text, encoding="utf-8")
    return file


def test_tracks_become_boxes_stamped_by_the_time_step(tmp_path: Path) -> None:
    boxes = open_log(_write(tmp_path, SCENARIO)).streams["boxes/scenario"]
    assert boxes.t_ns.tolist() == [600_000_000, 800_000_000]
    (first, parked), (second, again) = boxes.read(0), boxes.read(1)  # type: ignore[misc]
    assert isinstance(first, Box)
    assert (first.label, first.track, first.size, second.track) == ("bicycle", "12", (1.0, 1.0, 0.0), "12")
    assert first.centre == pytest.approx((1.0, 3.0, 0.0))  # the circle's centre lies a metre ahead
    assert first.velocity == pytest.approx((0.0, 2.0))
    assert second.velocity is None
    assert parked == again
    assert (parked.label, parked.size, parked.centre) == ("parkedVehicle", (4.0, 2.0, 0.0), (5.0, 6.0, 0.0))
    assert parked.yaw == pytest.approx(0.2)


def test_lanelets_become_lanes_with_the_limits_of_their_signs(tmp_path: Path) -> None:
    (lane,) = open_log(_write(tmp_path, SCENARIO)).streams["lanes/scenario"].read(0)  # type: ignore[misc]
    assert isinstance(lane, Lane)
    assert (lane.name, lane.successors, lane.left, lane.right) == ("1", ("2",), "", "4")
    assert lane.speed_limit_m_per_s == 20.0
    np.testing.assert_array_equal(lane.centre_N2, [[0, 2], [9, 2]])


@pytest.mark.parametrize("name", ["USA_US101-4_1_T-1", "USA_Lanker-1_1_T-1"])
def test_real_tracks_are_those_of_the_file(shared_data: Path, name: str) -> None:
    file = shared_data / "commonroad_ngsim" / f"{name}.xml"
    log = open_log(file)
    boxes, lanes = log.streams[f"boxes/{name}"], log.streams[f"lanes/{name}"]
    found = {(box.track, int(label)): box for i, label in enumerate(boxes.labels) for box in boxes.read(i)}  # type: ignore[attr-defined]
    document = ET.parse(file)
    states = 0
    for obstacle in [*document.iter("dynamicObstacle"), *document.iter("obstacle")]:
        size = tuple(float(obstacle.findtext(f"shape/rectangle/{part}", "")) for part in ("length", "width"))
        for state in [obstacle.find("initialState"), *obstacle.iterfind("trajectory/state")]:
            assert state is not None
            step, yaw, speed = (
                float(state.findtext(f"{part}/exact", "")) for part in ("time", "orientation", "velocity")
            )
            box = found[obstacle.get("id", ""), int(step)]
            x, y = (float(state.findtext(f"position/point/{axis}", "")) for axis in "xy")
            assert (box.centre, box.yaw, box.size[:2]) == ((x, y, 0.0), yaw, size)
            assert box.velocity == (speed * math.cos(yaw), speed * math.sin(yaw))
            states += 1
    assert len(found) == states > 900
    assert boxes.rate_hz == 10.0
    read: tuple[Lane, ...] = lanes.read(0)  # type: ignore[assignment]
    assert {lane.name for lane in read} == {lanelet.get("id") for lanelet in document.iter("lanelet")}


def test_what_moves_goes_where_its_velocity_says(shared_data: Path) -> None:
    boxes: Stream[object] = open_log(shared_data / "commonroad_ngsim/USA_US101-4_1_T-1.xml").of_kind("boxes")[0]
    before, after = ({box.track: box for box in boxes.read(i)} for i in (0, 1))  # type: ignore[attr-defined]
    apart = [
        np.subtract(after[t].centre[:2], before[t].centre[:2]) / 0.1 - np.array(before[t].velocity)
        for t in before.keys() & after.keys()
    ]
    assert np.median(np.linalg.norm(apart, axis=1)) < 1.5


def test_a_folder_of_scenarios_is_a_log_with_streams_for_each(shared_data: Path) -> None:
    log = open_log(shared_data / "commonroad_ngsim")
    assert len(log.of_kind("boxes")) == len(log.of_kind("lanes")) == 2
    assert check(log).verdict in ("ok", "warn", "fail")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('timeStepSize="0.2"', 'timeStepSize="0"', "timeStepSize of '0'"),
        ('timeStepSize="0.2"', 'timeStepSize="soon"', "timeStepSize of 'soon'"),
        ('timeStepSize="0.2"', "", "timeStepSize of ''"),
        ("<y>2.4</y>", "<y>nan</y>", "dynamicObstacle id='12'.*<y> is 'nan'"),
        ("<y>2.4</y>", "<y>inf</y>", "<y> is 'inf'"),
        ("<exact>4</exact>", "<exact>4.5</exact>", "time step 4.5"),
        ("<exact>4</exact>", "<exact>1e300</exact>", r"time step 1e\+300"),
        ("<radius>0.5</radius>", "", "<circle> has no <radius>"),
        ("<point><x>9</x><y>4</y></point>", "", "lanelet id='1'.*1 and 2 points"),
        ("<point><x>1</x><y>2.4</y></point>", '<lanelet ref="1"/>', "<position> has no point"),
        ("<commonRoad", "<!DOCTYPE commonRoad [<!ENTITY a 'b'>]><commonRoad", "document type"),
        ("<commonRoad", '<!DOCTYPE commonRoad SYSTEM "file:///etc/passwd"><commonRoad', "document type"),
        ("</commonRoad>", "<a>" * 100_000, "nested more than"),
        ('encoding="utf-8"', 'encoding="klingon"', "cannot be used"),
    ],
)
def test_a_wrong_scenario_is_one_clear_error(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in SCENARIO
    file = _write(tmp_path, SCENARIO.replace(old, new))
    with pytest.raises(DataError, match=f"(?s)scenario.xml.*{words}"):
        open_log(file)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_scenario_cut_short_is_one_clear_error(shared_data: Path, tmp_path: Path, share: float) -> None:
    whole = (shared_data / "commonroad_ngsim/USA_US101-4_1_T-1.xml").read_bytes()
    file = tmp_path / "cut.xml"
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"cut\.xml cannot be used") as caught:
        open_log(file)
    assert "fetch it again" in caught.value.hint


def test_only_one_piece_of_a_document_is_held(tmp_path: Path) -> None:
    file = _write(tmp_path, f"<r a='1'>{'<p><q>x</q></p>' * 20_000}</r>")
    read = pieces(file, root="r")
    assert next(read).get("a") == "1"
    assert [piece.findtext("q") for piece in read] == ["x"] * 20_000


def test_another_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="root is <osm>, expected <r>"):
        next(pieces(_write(tmp_path, "<osm/>"), root="r"))

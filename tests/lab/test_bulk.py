"""The bulk service: the lab's, and the script that is shipped for ThingWorx."""

import json
import re
import shutil
import subprocess

import pytest

from harness import place
from test_thingworx import SHAPE, ThingWorx, row

SCRIPT = place.ROOT / "thingworx/update-values.js"
ENTITIES = place.ROOT / "thingworx/holdfast-bulk.xml"

# Runs the script as the platform does: the parameters and the entities are globals, `result` is
# what it leaves behind.
RUNNER = """
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
const ledger = [], refused = [], Things = {};
for (const [name, properties] of Object.entries(input.things))
    Things[name] = { UpdatePropertyValues: ({ values }) => {
        for (const row of values.rows)
            if (!properties.includes(row.name)) throw new Error("no such property " + row.name);
        for (const row of values.rows) ledger.push([name, row.name, row.value]);
    } };
const Resources = { InfoTableFunctions: {
    CreateInfoTableFromDataShape: () => ({ AddRow: row => refused.push(row) }) } };
const values = { rows: input.rows, getRowCount: () => input.rows.length };
new Function("Resources", "Things", "values", input.script)(Resources, Things, values);
console.log(JSON.stringify({ ledger, refused }));
"""


def test_the_entity_file_holds_the_script():
    found = re.search(r"<!\[CDATA\[\n(.*?)\]\]>", ENTITIES.read_text(), re.S)
    assert found and found[1] == SCRIPT.read_text()


@pytest.mark.skipif(shutil.which("node") is None, reason="no JavaScript engine (nodejs)")
def test_the_script_keeps_the_contract():
    rows = [{"thing": thing, "name": name, "time": 1, "quality": "GOOD", "value": number}
            for number, (thing, name) in enumerate(
                [("a", "x"), ("a", "odd"), ("a", "y"), ("b", "x"), ("none", "x"), ("a", "x")])]
    done = subprocess.run(["node", "-e", RUNNER], capture_output=True, text=True, check=True,
                          input=json.dumps({"script": SCRIPT.read_text(), "rows": rows,
                                            "things": {"a": ["x", "y"], "b": ["x"]}}))
    answer = json.loads(done.stdout)
    # b first, then a's rows one by one and in their order, those after the first run too
    assert answer["ledger"] == [["b", "x", 3], ["a", "x", 0], ["a", "y", 2], ["a", "x", 5]]
    assert [(row["row"], row["missing"]) for row in answer["refused"]] == [(1, False), (4, True)]
    assert "odd" in answer["refused"][0]["reason"]


BULK_SHAPE = {"fieldDefinitions": {**SHAPE["fieldDefinitions"],
                                   "thing": {"name": "thing", "baseType": "THINGNAME"}}}


def call(server, *rows):
    return server.rest("POST", "/Things/Holdfast.Bulk/Services/UpdateValues",
                       {"values": {"dataShape": BULK_SHAPE, "rows": [
                           {"thing": thing, **row(name, value)} for thing, name, value in rows]}})


@pytest.fixture
def twx():
    server = ThingWorx()
    for name in ("a", "b"):
        assert server.control("POST", "/things", {"names": [name], "properties": {"x": "NUMBER",
                                                                                "y": "NUMBER"}}
                              ).status == 200
    yield server
    server.stop()


def test_the_lab_keeps_the_same_contract(twx):
    assert call(twx, ("a", "x", 1)).status == 404
    assert twx.control("POST", "/settings", {"bulk": True}).status == 200
    answer = call(twx, ("a", "x", 0), ("a", "odd", 1), ("a", "y", 2), ("b", "x", 3),
                  ("none", "x", 4), ("a", "x", 5))
    assert answer.status == 200
    refused = json.loads(answer.body)["rows"]
    assert [(found["row"], found["missing"]) for found in refused] == [(1, False), (4, True)]
    assert [line[3:5] + line[6:] for line in twx.ledger()] == [
        ["b", "x", "3"], ["a", "x", "0"], ["a", "y", "2"], ["a", "x", "5"]]
    assert json.loads(call(twx).body)["rows"] == []
    assert twx.control("POST", "/settings", {"bulk": False}).status == 200
    assert call(twx, ("a", "x", 1)).status == 500


def test_faults_hit_what_the_service_does_for_a_thing(twx):
    twx.control("POST", "/settings", {"bulk": True})
    twx.fault("status", status=500, thing="a", property="x")
    refused = json.loads(call(twx, ("a", "x", 1), ("a", "y", 2), ("b", "x", 3)).body)["rows"]
    assert [found["row"] for found in refused] == [0]
    assert len(twx.ledger()) == 2

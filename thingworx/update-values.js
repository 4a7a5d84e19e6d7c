// Holdfast.Bulk.UpdateValues(values): writes each Thing's rows with one UpdatePropertyValues. Things
// that refuse are left for the end, and then get their rows one by one, so that one bad value costs
// nothing to the others. By then other Things have taken theirs, which shows that the platform
// works and the row is to blame. Rows of one Thing keep their order.
var FIELDS = {
    name: { name: "name", baseType: "STRING", ordinal: 0, aspects: { isPrimaryKey: true } },
    time: { name: "time", baseType: "DATETIME", ordinal: 1, aspects: {} },
    value: { name: "value", baseType: "VARIANT", ordinal: 2, aspects: {} },
    quality: { name: "quality", baseType: "STRING", ordinal: 3, aspects: {} }
};
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "result", dataShapeName: "Holdfast.Refusal"
});
var rows = values.rows;
var count = values.getRowCount();

function reasonOf(error) {
    return String(error && error.message ? error.message : error).substring(0, 300);
}

// One call for the rows from `first` up to, not including, `end`; undefined if it worked.
function write(thing, first, end) {
    var table = { dataShape: { fieldDefinitions: FIELDS }, rows: [] };
    for (var i = first; i < end; i++) {
        var row = rows[i];
        table.rows.push({ name: row.name, time: row.time, value: row.value, quality: row.quality });
    }
    try {
        thing.UpdatePropertyValues({ values: table });
    } catch (error) {
        return reasonOf(error);
    }
    return undefined;
}

function find(name) {
    try {
        return Things[name] || null;
    } catch (error) {
        return null;
    }
}

function refuse(row, missing, reason) {
    result.AddRow({
        row: row, missing: missing, thing: rows[row].thing, name: rows[row].name, reason: reason
    });
}

var left = [];
var waits = {};
var at = 0;
while (at < count) {
    var name = rows[at].thing;
    var end = at + 1;
    while (end < count && rows[end].thing === name) {
        end++;
    }
    var thing = waits["=" + name] ? null : find(name);
    if (thing === null || write(thing, at, end) !== undefined) {
        waits["=" + name] = true;
        left.push({ first: at, end: end });
    }
    at = end;
}
for (var n = 0; n < left.length; n++) {
    var late = find(rows[left[n].first].thing);
    for (var row = left[n].first; row < left[n].end; row++) {
        var why = late === null ? "Thing not found" : write(late, row, row + 1);
        if (why !== undefined) {
            refuse(row, late === null, why);
        }
    }
}

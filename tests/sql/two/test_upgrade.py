"""What nodes of an older build call is still there after the migration to this one, as it was.

The schema of an older commit is made from its own files, then migrated; nothing that its nodes call
may disappear, change its type, or be out of their reach.
"""

import pytest

from harness import older, place
from test_migrate import SUPERUSER, connect, database, migrate  # noqa: F401 (fixtures)

pytestmark = pytest.mark.skipif(not SUPERUSER, reason="HOLDFAST_TEST_DSN names no database")

# Names of arguments count only where they are given by name, which nodes never do; names and types
# of results, and of the columns of composite types, count always.
FUNCTIONS = """
SELECT p.proname || '(' || oidvectortypes(p.proargtypes) || ')' AS signature,
       pg_get_function_result(p.oid) AS result
  FROM pg_proc p
 WHERE p.pronamespace = 'holdfast'::regnamespace
   AND has_function_privilege('holdfast_node', p.oid, 'EXECUTE')"""
TYPES = """
SELECT c.relname AS type, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS kind
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'holdfast'::regnamespace AND c.relkind = 'c'"""


def rows(name, text):
    connection = connect(name)
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return set(cursor.fetchall())
    finally:
        connection.close()


@pytest.mark.parametrize("commit", older.COMMITS)
def test_nothing_that_nodes_call_has_changed(commit, database, tmp_path):  # noqa: F811
    if not older.known(commit):
        pytest.skip(f"no history back to {commit}: this is a shallow clone or an archive")
    tree = older.extract(commit, tmp_path, "migrations", "sql")
    migrate(database, tree)
    functions, types = rows(database, FUNCTIONS), rows(database, TYPES)
    assert len(functions) >= 20 and types
    migrate(database, place.ROOT)
    assert functions - rows(database, FUNCTIONS) == set()
    assert types - rows(database, TYPES) == set()
    digests = rows(database, "SELECT version FROM holdfast.schema_build")
    assert len(digests) == 2, "the older state is remembered, so its nodes may come back"

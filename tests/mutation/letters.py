"""Mutations of what keeps dead letters, and of what stops at a ceiling."""

from mutation.mutation import Mutation

PUT = "sql/40_delivery/put_dead_letters.sql"

LETTERS = [
    Mutation("no-ceiling", "one broken device cannot fill the disk",
             PUT, "WHEN v.ceiling IS NULL THEN 'kept'", "WHEN true THEN 'kept'",
             ("sql", "31_dead_letter_limits")),
    Mutation("drops-at-the-ceiling", "nothing is dropped unless an administrator has said so",
             PUT, "WHEN v.action = 'drop' THEN", "WHEN true THEN",
             ("sql", "31_dead_letter_limits")),
    Mutation("drops-uncounted", "what is dropped is counted",
             PUT, "FROM judged j WHERE j.verdict = 'dropped'", "FROM judged j WHERE false",
             ("sql", "31_dead_letter_limits")),
    Mutation("claims-of-an-earlier-grant", "what a session claimed under an earlier grant is handed out again",
             "sql/20_coordination/poll.sql",
             "(d.claimed_by, d.claimed_token) IS DISTINCT FROM (s.session_id, p.token)",
             "d.claimed_by IS DISTINCT FROM s.session_id", ("sql", "30_dead_letters")),
    Mutation("letters-filed-twice", "a letter is kept once, whoever comes at the same time",
             PUT, "        FOR NO KEY UPDATE;\n", "        FOR SHARE;\n",
             ("two", "test_dead_letters", "twice")),
    Mutation("kept-letters-go-with-their-week", "kept letters are never dropped by themselves",
             "sql/50_admin/drop_dead_letter_week.sql", "d.state = 'kept' AND NOT %L)",
             "d.state = 'kept' AND NOT %L AND false)", ("sql", "31_dead_letter_limits")),
    Mutation("dropping-a-week-waits", "housekeeping of dead letters lets no node wait",
             "sql/50_admin/drop_dead_letter_week.sql", " SET lock_timeout = '200ms'", "",
             ("two", "test_dead_letters", "waits_for_nobody")),
    Mutation("default-partition-left-behind", "letters of a week that had no partition move to it",
             "sql/50_admin/make_dead_letter_weeks.sql", "INSERT INTO holdfast.%1$I SELECT * FROM old",
             "SELECT FROM old", ("sql", "31_dead_letter_limits")),
    Mutation("held-letters-complete", "an event that is held back is not complete",
             "src/node/office.c", "            hold(o, letter);\n", "            let_go(o, letter);\n",
             ("system", "test_dead_letters", "ceiling")),
    Mutation("a-property-is-a-missing-thing", "a missing property is not taken for a missing Thing",
             "src/core/answer.c", "            return false;\n", "            not_found = true;\n",
             ("unit", "test_answer")),
    Mutation("a-missing-thing-blames-properties", "a missing Thing costs no request per row",
             "src/core/lane.c", "refuse_rows(lanes, lane, all, n, false, now_us)",
             "refuse_rows(lanes, lane, all, n, true, now_us)", ("unit", "test_lane")),
]

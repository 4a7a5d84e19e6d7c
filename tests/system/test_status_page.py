"""The status page: what it shows of a real cluster, without the database, and in a real browser."""

import html
import re
import time

import pytest
from http_kit import Peer, lonely_node

from harness import chromium
from harness.waiting import wait_until

HOSTILE = "</td><script>document.title='owned'</script>\"'&amp;"
SMALLEST = 360


def fragment(node):
    with Peer(node) as peer:
        answer = peer.ask("/fragment")
    assert answer.status == 200 and len(answer.body) < 150_000
    return answer.body.decode()


def words(text):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def wait_page(node, *needles, without=(), timeout=120):
    """The page once it says all that, and none of the other."""
    last = []

    def says():
        last[:] = [words(fragment(node))]
        return all(needle in last[0] for needle in needles) and not any(
            needle in last[0] for needle in without)
    wait_until(says, timeout, lambda: f"the page says {needles}: {last}")
    return last[0]


def calls(server):
    """How often the database was asked for a page; it logs what connections of now on ask for."""
    return server.run.log(server.name).read_text(errors="replace").count("holdfast.status_page(")


def test_the_page_tells_of_the_cluster_and_of_what_is_wrong(make_cluster, make_postgres):
    server = make_postgres()
    cluster = make_cluster(own_postgres=server, nodes=2, partitions=4,
                           node_arguments=["--ttl-ms", "15000"])
    cluster.query(f'ALTER DATABASE "{cluster.database}" SET log_statement = \'all\'')
    nodes = list(cluster.nodes.values())
    cluster.hub.generate(rate=100)
    for node in nodes:  # every node, not the leader only
        text = wait_page(node, f"{cluster.leader()} leads 2 nodes", "4 of 4 partitions have an owner",
                         "Findings", "Recent events", "A node joined", "demo / 3", "thingworx")
        assert f"This node {node.name}" in text
    # What people say may be anything; what the page makes of it is text.
    cluster.query("SELECT holdfast.pause_partition('demo', '1', %s)", (HOSTILE,), user="admin")
    hostile = cluster.add_node("<i>node-3")
    wait_page(nodes[0], "<i>node-3", "1 paused", HOSTILE)
    assert "<script" not in fragment(nodes[0]) and "<i>node" not in fragment(hostile)
    # However many look, the database is asked once a second.
    began, before = time.monotonic(), calls(server)
    for _ in range(200):
        fragment(nodes[0])
    asked = calls(server) - before
    assert asked <= 3 * (time.monotonic() - began) + 6, f"{asked} times by three nodes"
    assert calls(server) > 0
    # Without the database the page goes on, says how old what it shows is, and what it knows itself.
    server.stop()
    wait_page(nodes[0], "The database is away", "What stands here of the cluster is",
              "<i>node-3", "Lease trusted for")
    server.start()
    wait_page(nodes[0], "leads 3 nodes", without=["The database is away"])


def test_a_node_that_never_had_a_database_shows_what_it_knows(run):
    node = lonely_node(run, "test_page_without_database")
    try:
        text = wait_page(node, "The database is away", "Only what this node knows by itself is shown")
        assert "This node owns none" in text
    finally:
        node.kill()


# ---- in a browser ----------------------------------------------------------------------------

@pytest.fixture(name="browser")
def _browser(tmp_path):
    if chromium.PROGRAM is None:
        pytest.skip("chromium is not installed (apt install chromium)")
    browser = chromium.Chromium(tmp_path)
    yield browser
    browser.stop()


# The least contrast of any text with what is behind it, by the formula of WCAG 2.
CONTRAST = """(() => {
  const light = c => { const v = c.map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
                       return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  let least = [99, ''];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(e);
    if (!e.getClientRects().length || e.closest('script, style, .sr')) continue;
    let behind = e, ground = [0, 0, 0, 0];
    while (behind && (ground = rgb(getComputedStyle(behind).backgroundColor)).length === 4 && ground[3] === 0)
      behind = behind.parentElement;
    const a = light(rgb(style.color).slice(0, 3)), b = light(ground.slice(0, 3));
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (contrast < least[0]) least = [contrast, e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 40)];
  }
  return least;
})()"""


def test_the_page_in_a_browser(make_cluster, browser, tmp_path):
    cluster = make_cluster(nodes=2, partitions=4)
    node = cluster.nodes["node-1"]
    long_name = "a-node-with-a-name-that-does-not-end-" + "x" * 100
    cluster.query("SELECT holdfast.pause_partition('demo', '1', %s)", (HOSTILE,), user="admin")
    cluster.add_node(long_name)
    cluster.hub.generate(rate=100)
    url = f"http://127.0.0.1:{node.port}/"
    for dark in (False, True):
        for width in (SMALLEST, 1280):
            browser.look(url, width=width, dark=dark, phone=width == SMALLEST)
            browser.wait(f"document.body.innerText.includes('{long_name}')"
                         " && !document.querySelector('h1').innerText.includes('Looking')")
            assert browser.value("document.documentElement.scrollWidth") <= width
            contrast, where = browser.value(CONTRAST)
            assert contrast >= 4.5, f"{where} (dark: {dark})"
            browser.shoot(tmp_path / f"{width}-{dark}.png")
    assert browser.value("document.title") == "node-1 \u00b7 Holdfast"
    assert browser.value("[...document.querySelectorAll('table')]"
                         ".every(t => t.tHead && t.querySelector('tbody th, tbody td'))")
    # The script renews it, and stands still when told to.
    browser.value("window.first = document.getElementById('fragment')")
    browser.wait("document.getElementById('fragment') !== first")
    browser.value("document.getElementById('pause').click()")
    assert browser.value("document.getElementById('pause').textContent") == "Go on"
    node.kill()
    browser.value("document.getElementById('pause').click()")
    browser.wait("document.getElementById('note').textContent.includes('does not answer')")
    # Nothing but the node was asked for anything, and nothing was refused by the page's own policy.
    assert all(found.startswith((url, "data:", "about:")) for found in browser.requested())
    troubles = [found for found in browser.complaints() if "Security Policy" in str(found)
                or found.get("entry", {}).get("source") not in ("network",)]
    assert not troubles, troubles

"""A peer that serves $cbs and $management like a hub, and sends messages as no hub would.

usage: odd_hub.py PORT HEX ...   every reader gets these messages, byte for byte
"""

import sys

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class OddHub(MessagingHandler):
    def __init__(self, port, messages):
        super().__init__(auto_settle=False)
        self.port, self.messages = port, messages
        self.replies = {}
        self.sent = set()

    def on_start(self, event):
        event.container.listen(f"127.0.0.1:{self.port}")
        print("listening", flush=True)

    def on_link_opening(self, event):
        link = event.link
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        if link.is_sender:
            self.replies[link.source.address] = link

    def on_message(self, event):
        reply = Message(correlation_id=event.message.id,
                        properties={"status-code": 200, "status-description": "OK"})
        if event.link.target.address == "$management":
            reply.body = {"created_at": 1, "partition_ids": ["0", "1"]}
        self.replies[event.link.target.address].send(reply)

    def on_sendable(self, event):
        link = event.link
        if "/Partitions/" not in link.source.address or link.name in self.sent:
            return
        self.sent.add(link.name)
        for number, message in enumerate(self.messages):
            delivery = link.delivery(str(number))
            link.stream(message)
            link.advance()
            delivery.settle()


Container(OddHub(sys.argv[1], [bytes.fromhex(text) for text in sys.argv[2:]])).run()

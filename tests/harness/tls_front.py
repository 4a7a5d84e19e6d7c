"""A TLS server before a plain one, with certificates made on the fly: right, wrong, expired, not yet valid."""

import contextlib
import datetime
import socket
import ssl
import subprocess
import threading

_WHEN = "%Y%m%d%H%M%SZ"
# `openssl ca` is the only way to a certificate that begins in the future.
_CA = """[ca]
default_ca = own
[own]
new_certs_dir = {folder}
database = {folder}/{name}.index
rand_serial = yes
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
"""


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Signs certificates. Files are named after it."""

    def __init__(self, folder, name="authority"):
        self.folder = folder
        self.name = name
        self.key = folder / f"{name}.key"
        self.certificate = folder / f"{name}.pem"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", self.key,
                 "-out", self.certificate)

    @property
    def pem(self):
        return self.certificate.read_text()

    def issue(self, name, alternative, days=2, starts=0):
        """(certificate, key) files; valid from so many days ahead until `days` from now: days below
        0 makes one that has expired, starts above 0 one that is not valid yet."""
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        certificate, extension = self.folder / f"{name}.pem", self.folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={alternative}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        settings = self.folder / f"{self.name}.conf"
        settings.write_text(_CA.format(folder=self.folder, name=self.name))
        (self.folder / f"{self.name}.index").touch()
        now = datetime.datetime.now(datetime.timezone.utc)
        begin = now + datetime.timedelta(days=min(starts, days - 1))
        if starts > 0:
            begin, days = now + datetime.timedelta(days=starts), starts + 1
        _openssl("ca", "-batch", "-notext", "-config", settings, "-in", request, "-cert",
                 self.certificate, "-keyfile", self.key, "-extfile", extension,
                 "-startdate", begin.strftime(_WHEN), "-out", certificate,
                 "-enddate", (now + datetime.timedelta(days=days)).strftime(_WHEN))
        return certificate, key


class TlsFront:
    """Takes TLS on a loopback port and passes the plain bytes on."""

    def __init__(self, target, certificate, key, client_authority=None):
        self.target = target
        self.set_certificate(certificate, key, client_authority)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.refused = 0
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def set_certificate(self, certificate, key, client_authority=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_authority)
        self.context = context

    def close(self):
        self.listener.close()

    def drop(self):
        """Ends all connections: whoever comes again meets the certificate that is set now."""
        for client in list(self.open):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],),
                                 daemon=True).start()

    def _serve(self, raw):
        context = self.context
        try:
            client = context.wrap_socket(raw, server_side=True)
            client.setblocking(True)
        except (OSError, ssl.SSLError):
            self.refused += 1
            raw.close()
            return
        self.open.append(client)
        try:
            if context is not self.context:  # replaced meanwhile: drop() may not have seen this one
                raise ConnectionAbortedError
            server = socket.create_connection(self.target)
        except OSError:
            self.open.remove(client)
            client.close()
            return
        threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
        self._pump(client, server)
        self.open.remove(client)

    def _pump(self, source, sink):
        """One direction; an SSL socket may be read and written by two threads in Python."""
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except (OSError, ssl.SSLError):
            self.refused += isinstance(source, ssl.SSLSocket)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

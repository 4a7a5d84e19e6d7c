# The images of Holdfast. Targets:
#   holdfast   a node, `holdfast migrate` and the other commands; what runs in production (default)
#   lab        the stand-ins for Azure IoT Hub and ThingWorx; a test tool, never beside real data
# deploy/container/Dockerfile makes what they run beside. Works with BuildKit and without.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ARG APT_MIRROR
COPY deploy/container/install-packages deploy/container/packages/build /tmp/packages/
RUN /tmp/packages/install-packages /tmp/packages/build
WORKDIR /source
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY src src
ARG REVISION=
RUN cmake -B /build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX=/usr \
        -DBUILD_TESTING=OFF -DHOLDFAST_DESCRIPTION="$REVISION" && \
    cmake --build /build --target holdfast && \
    install -D --strip /build/holdfast /image/usr/bin/holdfast

FROM ${BASE} AS holdfast
ARG APT_MIRROR
COPY deploy/container/install-packages deploy/container/packages/holdfast /tmp/packages/
RUN /tmp/packages/install-packages /tmp/packages/holdfast && \
    rm -r /tmp/packages && \
    groupadd --gid 10001 holdfast && \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin holdfast && \
    install -d -o 10001 -g 10001 -m 700 /run/secrets
COPY --from=build /image/usr /usr
COPY migrations /usr/share/holdfast/migrations
COPY sql /usr/share/holdfast/sql
COPY deploy/container/entrypoint deploy/container/ready /usr/lib/holdfast/
ENV HOLDFAST_SECRETS=/run/secrets HOLDFAST_HTTP_ADDRESS=0.0.0.0
USER 10001:10001
WORKDIR /
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 \
    CMD ["/usr/lib/holdfast/ready"]
ENTRYPOINT ["/usr/lib/holdfast/entrypoint"]
CMD ["node"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="Connector nodes from Azure IoT Hub to ThingWorx, coordinated by PostgreSQL" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim" \
      holdfast.packages="/usr/share/holdfast/packages.tsv"

FROM build AS lab-build
COPY tests/lab tests/lab
RUN cmake -B /build -DHOLDFAST_LAB=ON && \
    cmake --build /build --target holdfast-lab && \
    strip /build/tests/lab/holdfast-lab

FROM ${BASE} AS lab
ARG APT_MIRROR
COPY deploy/container/install-packages deploy/container/packages/holdfast \
     deploy/container/packages/lab /tmp/packages/
RUN /tmp/packages/install-packages /tmp/packages/holdfast /tmp/packages/lab && \
    rm -r /tmp/packages && \
    groupadd --gid 10002 lab && \
    useradd --uid 10002 --gid 10002 --no-create-home --home-dir /nonexistent lab && \
    install -d -o 10002 -g 10002 /var/lib/holdfast-lab && \
    install -d -m 700 -o 10002 -g 10002 /run/secrets
COPY --from=lab-build /build/tests/lab/holdfast-lab /usr/bin/
COPY deploy/container/lab/ /usr/lib/holdfast/
USER 10002:10002
WORKDIR /
ENTRYPOINT []
CMD ["holdfast-lab", "--help"]
LABEL org.opencontainers.image.title="Holdfast lab" \
      org.opencontainers.image.description="Stands in for Azure IoT Hub and ThingWorx; for trying out and for tests"

FROM holdfast

# syntax=docker/dockerfile:1

# The image holds the server, certificates and nothing else: no shell, no package
# manager, no file that its user could change.
#
#   docker build -t token2go-server .
#   docker run --read-only --cap-drop=ALL -p 127.0.0.1:8080:8080 token2go-server

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
ARG TARGETOS
ARG TARGETARCH
ENV CGO_ENABLED=0
# The work tree is mounted with its .git, from which the build takes the version.
RUN --mount=type=bind,target=. \
    --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags '-s -w' -o /out/ ./cmd/token2go-server

FROM scratch
LABEL org.opencontainers.image.title="token2go-server" \
      org.opencontainers.image.description="The way out of an auth gateway: hands the access token to the person who is signed in" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/token2go-server /usr/bin/token2go-server
COPY LICENSE /usr/share/doc/token2go-server/LICENSE
# In a container the gateway is never on the same loopback, unless it is a side-car: that
# deployment sets the gateway listener back to 127.0.0.1. The ops listener stays there.
ENV T2G_SERVER_HOST=0.0.0.0
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --start-interval=1s \
    CMD ["/usr/bin/token2go-server", "healthcheck"]
ENTRYPOINT ["/usr/bin/token2go-server"]

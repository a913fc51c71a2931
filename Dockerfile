# kinglet's image: the program, the C library, nothing else. For x86_64 and arm64, whichever it is built on or for
# (docker build --platform linux/arm64). Nothing in it needs to be written: run it with --read-only.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /kinglet

# The dependencies alone, with nothing of ours yet: this layer lasts until a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY perf/Cargo.toml perf/
RUN mkdir -p src benches/messages perf/src \
 && touch src/lib.rs benches/messages/main.rs \
 && echo 'fn main() {}' | tee src/main.rs perf/src/main.rs \
 && cargo build --release --locked --bin kinglet

# Cargo goes by the time of a file, which may be older than that of the empty ones.
COPY src src
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked --bin kinglet

COPY image image
RUN image/root.sh target/release/kinglet /image

FROM scratch
LABEL org.opencontainers.image.title="kinglet" \
      org.opencontainers.image.description="A Socket.IO server for the smallest containers" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /image /
USER 65532:65532
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/kinglet", "health"]
ENTRYPOINT ["/kinglet"]

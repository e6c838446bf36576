# wsbench alone: one static program, certificates, a user without rights.
#
#   docker build --tag wsbench .
#   docker run --rm --network host --volume "$PWD:/data" wsbench run scenario.toml --out /data/out
#
# The target `debug` adds a shell, which CI systems that run scripts in the image need:
#   docker build --target debug --tag wsbench:debug .
FROM rust:1.91-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
# Named in Cargo.toml; cargo wants them there, and builds none of them.
COPY benches ./benches
COPY tests/interop ./tests/interop
# Alpine's Rust makes static programs by itself.
RUN cargo build --release --locked --bin wsbench

FROM gcr.io/distroless/static-debian12:debug-nonroot AS debug
COPY --from=build /src/target/release/wsbench /usr/local/bin/wsbench
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["/usr/local/bin/wsbench"]
CMD ["--help"]

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /src/target/release/wsbench /usr/local/bin/wsbench
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["/usr/local/bin/wsbench"]
CMD ["--help"]

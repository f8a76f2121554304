# The image of NetIgnite Server: `docker build -t netignite:latest .`

FROM rust:1.95-bookworm AS build
WORKDIR /src

# The dependencies, on a program that does nothing: this layer is built again only when the manifests change.
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
RUN mkdir -p src plugins/dashboard/web \
    && echo '//! Stands in.' > src/lib.rs \
    && printf '//! Stands in.\nfn main() {}\n' > src/main.rs \
    && cargo build --release --locked --package netignite --bin netignite

# The program itself. Copied files keep their times, which may lie before those of the stand-ins above: cargo would
# take them for built already.
COPY src src
COPY commands commands
COPY plugins plugins
RUN touch build.rs src/lib.rs src/main.rs \
    && cargo build --release --locked --package netignite --bin netignite

# What the image holds below /opt/netignite.
COPY config/config.sample.json image/config/config.sample.json
RUN mkdir -p image/data image/logs && chmod 700 image/data image/logs

# The same Debian as the build image, so that the C library fits. Not a distroless image: operators read the first
# admin's credentials and look at logs with the ordinary tools.
FROM debian:bookworm-slim
WORKDIR /opt/netignite
COPY --from=build /src/target/release/netignite /usr/local/bin/netignite
COPY --from=build --chown=10001:10001 /src/image /opt/netignite

# As with the original server's image. It does not make cookies `Secure`, so that plain HTTP stays usable: set
# NODE_ENV=production for that once HTTPS is in front. Neither host nor port is set here: that would override the
# configuration file.
ENV NITRO_ENV=production

USER 10001:10001
EXPOSE 18232/tcp
VOLUME ["/opt/netignite/data", "/opt/netignite/config", "/opt/netignite/logs"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["netignite", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["netignite"]
CMD ["serve"]

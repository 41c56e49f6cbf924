# `pipeline` without the emulator, for CI and clusters:
#   docker build --tag campaign-pipeline .
#   docker run --rm --volume "$PWD:/campaign" --user "$(id -u):$(id -g)" --env VIMMERSE_API_KEY campaign-pipeline run --yes
FROM python:3.13-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY ci/image.sh ci/
COPY locks/base.txt locks/image.txt locks/
COPY docs/explanation/ docs/explanation/
COPY docs/how-to/ docs/how-to/
COPY docs/reference/ docs/reference/
COPY schemas/ schemas/
COPY pipeline/ pipeline/
RUN ci/image.sh /opt/pipeline

FROM python:3.13-slim-bookworm
COPY --from=build /opt/pipeline /opt/pipeline
ENV PATH=/opt/pipeline/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /campaign
USER 10001:10001
# A run that holds the state is no illness of the container.
HEALTHCHECK --interval=60s --timeout=30s --start-period=10s \
  CMD pipeline doctor --quiet --ignore lock || exit 1
ENTRYPOINT ["pipeline"]
CMD ["--help"]

# syntax=docker/dockerfile:1
# trimtab/trimtab: no image is published yet; docs/how-to/build-the-image.md says how to build one.

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# A mirror of PyPI, when one is named with --build-arg.
ARG PIP_INDEX_URL
WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /opt/trimtab \
 && /opt/trimtab/bin/pip install --require-hashes -r requirements/runtime.txt \
 && python -m pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY detectors/ detectors/
COPY remediations/ remediations/
COPY runbooks/ runbooks/
COPY controller/ controller/
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/trimtab/bin/pip install --no-deps /dist/trimtab-*.whl \
 && /opt/trimtab/bin/python -m compileall -q /opt/trimtab/lib

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="trimtab" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/trimtab/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/trimtab /opt/trimtab
# An empty folder: what lies in the working folder can never shadow a package of ours.
WORKDIR /var/empty
USER 65532:65532
ENTRYPOINT ["trimtab"]
CMD ["run"]

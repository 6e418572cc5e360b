# The release sets the digest of the base.
FROM python:3.13-slim AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# Third-party bytecode is left out: it costs a third of the image and saves a second.
RUN python -m venv --without-pip /opt/lm-eval-so \
 && pip --python /opt/lm-eval-so/bin/python install --no-compile --require-hashes --no-deps -r requirements.lock
RUN pip install --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY lm_eval_so lm_eval_so
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/lm-eval-so/bin/python install --no-compile --no-deps --no-index /wheel/*.whl

# Git's own binary reads objects without the hundred megabytes that the package brings along.
FROM python:3.13-slim AS git
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir /out \
 && cp --parents /usr/bin/git /usr/lib/*-linux-gnu/libpcre2-8.so.0* /out/

FROM python:3.13-slim
ARG VERSION=0.1.0
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="lm-eval-so" \
      org.opencontainers.image.description="Evaluate a chatbot in CI and tell on the pull request whether it got worse." \
      org.opencontainers.image.source="https://github.com/mackim-3768/lm-eval-so" \
      org.opencontainers.image.url="https://github.com/mackim-3768/lm-eval-so" \
      org.opencontainers.image.documentation="https://github.com/mackim-3768/lm-eval-so#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# PYTHONSAFEPATH: a json.py in the checkout is never imported.
ENV PATH="/opt/lm-eval-so/bin:${PATH}" \
    HOME=/home/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    LM_EVAL_SO_IN_CONTAINER=1
RUN mkdir -m 1777 /home/app
COPY --from=git /out/ /
COPY --from=builder /opt/lm-eval-so /opt/lm-eval-so
# No USER: GitHub wants container actions to run as root, and the workspace belongs to another user.
ENTRYPOINT ["lm-eval-so"]
CMD ["--help"]

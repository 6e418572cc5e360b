# The release sets the digest of the base: docs/releasing.md.
FROM python:3.13-slim AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Git's own binary reads objects without the hundred megabytes that the package brings along.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils git \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir /out \
 && cp --parents /usr/bin/git /usr/lib/*-linux-gnu/libpcre2-8.so.0* /out/
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# What never runs goes: sources of C, stubs, tests (4 MB), and symbols for debuggers (19 MB).
RUN python -m venv --without-pip /opt/lm-eval-so \
 && pip --python /opt/lm-eval-so/bin/python install --no-compile --require-hashes --no-deps -r requirements.lock \
 && find /opt/lm-eval-so -type d \( -name tests -o -name benchmarks \) -prune -exec rm -r {} + \
 && find /opt/lm-eval-so -type f -regex '.*\.\(c\|h\|hpp\|pyx\|pxd\|pxi\|pyi\)' -delete \
 && find /opt/lm-eval-so -name '*.so' -exec strip --strip-unneeded {} +
RUN pip install --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY lm_eval_so lm_eval_so
COPY scripts/bytecode.py scripts/
# Bytecode of what the program imports, the standard library's too, which the base comes without:
# 25 MB, and `ci` takes 1.6 s of CPU instead of 3.5 s. All figures are in docs/releasing.md.
ENV PYTHONPYCACHEPREFIX=/opt/lm-eval-so/bytecode
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/lm-eval-so/bin/python install --no-compile --no-deps --no-index /wheel/*.whl \
 && rm -rf "$PYTHONPYCACHEPREFIX" \
 && PYTHONHASHSEED=0 /opt/lm-eval-so/bin/python -B scripts/bytecode.py

FROM python:3.13-slim
ARG VERSION=unreleased
ARG REVISION=""
ARG CREATED=""
ARG BASE_DIGEST=""
LABEL org.opencontainers.image.title="lm-eval-so" \
      org.opencontainers.image.description="Evaluate a chatbot in CI and tell on the pull request whether it got worse." \
      org.opencontainers.image.source="https://github.com/mackim-3768/lm-eval-so" \
      org.opencontainers.image.url="https://github.com/mackim-3768/lm-eval-so" \
      org.opencontainers.image.documentation="https://github.com/mackim-3768/lm-eval-so#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# PYTHONSAFEPATH: a json.py in the checkout is never imported.
ENV PATH="/opt/lm-eval-so/bin:${PATH}" \
    HOME=/home/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/lm-eval-so/bytecode \
    PYTHONSAFEPATH=1 \
    LM_EVAL_SO_IN_CONTAINER=1
RUN mkdir -m 1777 /home/app
COPY --from=builder /out/ /
COPY --from=builder /opt/lm-eval-so /opt/lm-eval-so
# No USER: GitHub wants container actions to run as root, and the workspace belongs to another user.
ENTRYPOINT ["lm-eval-so"]
CMD ["--help"]

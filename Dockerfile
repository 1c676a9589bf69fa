# docker build -t unet-playground .     (wheels for the CPU alone: --build-arg PIP_EXTRA_INDEX_URL=ADDRESS)
# docker run --rm --read-only --tmpfs /tmp -p 7860:7860 unet-playground
# Nothing is downloaded at run time. Written for Docker 24 and later; not built where this was written: untested.
FROM python:3.11-slim

ARG PIP_EXTRA_INDEX_URL=
WORKDIR /app
COPY requirements.txt .
RUN PIP_EXTRA_INDEX_URL=$PIP_EXTRA_INDEX_URL pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY LICENSE README.md app.py ./
COPY assets assets
COPY checkpoints checkpoints
COPY unet_playground unet_playground
RUN useradd --system --create-home --uid 10001 playground && python -m compileall -q unet_playground
USER playground

ENV GRADIO_ANALYTICS_ENABLED=False HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD \
    python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/healthz', timeout=3)"
CMD ["python", "app.py", "--host", "0.0.0.0", "--port", "7860"]

"""The parts of deploy/check: engine (Docker), image (binary and image), profiles (seccomp), peer (WebSocket and HTTP), trials."""

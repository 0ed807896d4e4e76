"""The parts of deploy/check: engine (Docker), image (binary and image), profiles (seccomp), trials (containers),
syscalls (what is called), lives (what is done meanwhile), traced (strace), peer (WebSocket and HTTP)."""

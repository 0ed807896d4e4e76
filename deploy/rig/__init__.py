"""The parts of deploy/check, a file for each subject: parts (what a part is given, the table), image (binary and
image), containers and trials (as they are run), calls, syscalls, lives, traced, profiles (system calls), units
(systemd's unit), supervised and booted (the unit under systemd), kernel (sysctl), debian (the package), packaged (its
check), roots (a clean Debian), archive and dockerfile (the image without an engine), archived (its check),
kubernetes and manifests, compose, substitutes (for images of registries), bridged (Docker with networks), engine
(Docker), pages (commands of the documentation), talk (the chat), peer (WebSocket and HTTP)."""

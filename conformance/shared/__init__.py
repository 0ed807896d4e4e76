"""What the conformance commands share: the gateway under test, and tools installed without touching the machine."""

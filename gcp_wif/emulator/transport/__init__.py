"""How requests come in: HTTP, gRPC, and the emulator's own controls."""

package cli

// Version is set by the linker; see the Makefile.
var Version = "unknown"

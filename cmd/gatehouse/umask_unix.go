//go:build unix

package main

import "syscall"

// restrict has files that are made be for nobody else: what SQLite keeps beside its own, and the event log.
func restrict() { syscall.Umask(0o077) }

//go:build !linux

package dbtest

import (
	"os"
	"syscall"
)

// On other systems a server that is not stopped by Main is left to whoever started the tests.

func attributes() *syscall.SysProcAttr { return nil }
func give(string) error                { return nil }
func roomy(string) bool                { return false }
func children(int) []int               { return nil }
func freeze(*os.Process)               {}
func alive(int) bool                   { return false }

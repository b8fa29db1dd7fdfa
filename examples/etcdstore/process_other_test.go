//go:build !linux

package etcdstore

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }

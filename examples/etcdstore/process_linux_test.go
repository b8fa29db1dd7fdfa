package etcdstore

import "syscall"

// attributes has a process end with this one, however that ends.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

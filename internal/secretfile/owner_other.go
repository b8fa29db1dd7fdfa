//go:build !unix

package secretfile

import "io/fs"

func fileOf(info fs.FileInfo) File { return File{info.Mode(), -1, -1} }

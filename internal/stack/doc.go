// Package stack has no code, only the tests of what docs/your-stack.md says of drivers, of handles around database/sql,
// and of poolers. Drivers of one name cannot be in one program, so there are two packages: lite has those of SQLite that
// need cgo or are large, and pooler what talks to PostgreSQL.
package stack

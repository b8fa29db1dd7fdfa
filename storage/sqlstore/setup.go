package sqlstore

import "errors"

// ErrSetup says that the database is not as the store needs it. The error is a *SetupError, which says what is wrong.
var ErrSetup = errors.New("sqlstore: the database is not set up")

// SetupError says why a database is not as the store needs it. It is ErrSetup.
type SetupError struct {
	Kind    SetupKind
	Version int    // of the tables, of the kinds that begin with Tables
	Problem string // what is wrong, as Warnings has it too
	Remedy  string // what a program can do about it; "" where Problem says so
	cause   error  // of the database; nil: none
}

// SetupKind is a kind of SetupError.
type SetupKind string

// The kinds of SetupError.
const (
	TablesMissing   SetupKind = "tables_missing"
	TablesOlder     SetupKind = "tables_older"     // than SchemaVersion: migrate them
	TablesNewer     SetupKind = "tables_newer"     // use a newer program
	TablesDifferent SetupKind = "tables_different" // a column, a type, a collation or an index is not as it must be
	WrongSetting    SetupKind = "wrong_setting"    // of the server or of a connection
	WrongConnection SetupKind = "wrong_connection" // connections of one pool do not see the same
)

func (e *SetupError) Error() string {
	text := ErrSetup.Error() + ": " + e.Problem
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Is reports whether target is ErrSetup.
func (e *SetupError) Is(target error) bool { return target == ErrSetup }

// Unwrap returns the database's own error, if there is one.
func (e *SetupError) Unwrap() error { return e.cause }

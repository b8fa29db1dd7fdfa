package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/ncruces/go-sqlite3"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

var (
	errInterrupted = errors.New("interrupted")
	errCodeLost    = errors.New("the reset is done, but its code could not be printed and is lost: reset the account again for another")
	errRights      = "the database user may not do this: the tables need SELECT, INSERT, UPDATE and DELETE, and migrate needs CREATE"
)

// explain returns what an error of the database means to an operator, in one sentence and without the
// password.
func (d *database) explain(ctx context.Context, err error) error {
	var usage usageError
	var setup *sqlstore.SetupError
	switch {
	case err == nil || errors.As(err, &usage) || errors.Is(err, errInterrupted) || errors.Is(err, errCodeLost):
		return err
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return errInterrupted
	case errors.As(err, &setup):
		return wrongSetup(setup)
	}
	if what := d.driver(err); what != "" {
		return errors.New(what)
	}
	var nowhere *net.DNSError
	if errors.As(err, &nowhere) {
		return fmt.Errorf("there is no host %s, or its name cannot be looked up", nowhere.Name)
	}
	var unreachable *net.OpError
	if errors.As(err, &unreachable) {
		return fmt.Errorf("cannot reach the database server at %s: %v", d.address, unreachable.Err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the database at %s does not answer in time", d.address)
	}
	text := strings.ReplaceAll(err.Error(), "gatehouse: ", "")
	if d.hide != "" {
		text = strings.ReplaceAll(text, d.hide, "[redacted]")
	}
	return errors.New(text)
}

// wrongSetup says what this command can do about it.
func wrongSetup(e *sqlstore.SetupError) error {
	const migrate = "run gatehouse migrate up"
	switch e.Kind {
	case sqlstore.TablesMissing:
		return errors.New("there are no tables: " + migrate)
	case sqlstore.TablesOlder:
		return fmt.Errorf("the tables have version %d, and this command needs %d: %s", e.Version, sqlstore.SchemaVersion, migrate)
	case sqlstore.TablesNewer:
		return fmt.Errorf("the tables have version %d, and this command knows %d: use a newer command", e.Version, sqlstore.SchemaVersion)
	}
	return errors.New(e.Problem)
}

// driver reads the codes of the databases. It returns "" for what nothing clearer than the error's own text is
// known.
func (d *database) driver(err error) string {
	refused := fmt.Sprintf("the database server at %s refuses the user %s: the password is wrong or missing, or the user may not connect", d.address, d.user)
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch {
	case errors.As(err, &pg):
		switch pg.Code {
		case "28P01", "28000":
			return refused
		case "3D000":
			return "there is no such database on the server at " + d.address
		case "42501":
			return errRights
		case "25006":
			return "the database is read only: it is a replica, or set to default_transaction_read_only"
		case "57P03", "57P01":
			return "the database server at " + d.address + " is starting or stopping"
		case "53300":
			return "the database server at " + d.address + " has too many connections"
		}
		return "the database says: " + pg.Message + " (SQLSTATE " + pg.Code + ")"
	case errors.As(err, &my):
		switch my.Number {
		case 1045, 1698:
			return refused
		case 1044, 1142, 1143, 1227:
			return errRights
		case 1049:
			return "there is no such database on the server at " + d.address
		case 1290, 1792:
			return "the database is read only: it is a replica, or set to read_only"
		case 1040:
			return "the database server at " + d.address + " has too many connections"
		}
		return fmt.Sprintf("the database says: %s (error %d)", my.Message, my.Number)
	case errors.Is(err, sqlite3.READONLY):
		return "the file " + d.address + " cannot be written"
	case errors.Is(err, sqlite3.CANTOPEN), errors.Is(err, sqlite3.PERM), errors.Is(err, sqlite3.AUTH):
		return "the file " + d.address + " cannot be opened"
	case errors.Is(err, sqlite3.BUSY), errors.Is(err, sqlite3.LOCKED):
		return "the file " + d.address + " is locked by another process"
	case errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB):
		return noDatabase(d.address).Error()
	}
	return ""
}

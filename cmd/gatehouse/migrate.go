package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

func migrateCommand() *cli.Command {
	return &cli.Command{
		Name: "migrate", Usage: "make, update, show or remove the tables",
		Commands: []*cli.Command{
			{
				Name: "up", Usage: "bring the tables to the version of this command",
				Description: "Any number may run at once: one migrates, and the others wait. Where nothing is to be done, nothing is." +
					examples("gatehouse -db sqlite:app.db migrate up"),
				Action: migrateUp,
			},
			{
				Name: "down", Usage: "take the tables back to an older version, with what they hold",
				Description: "Accounts lose their second factors with it: this is for development. It needs -lose-data as well." +
					examples("gatehouse -db sqlite:dev.db migrate down -to 0 -lose-data"),
				Flags: []cli.Flag{
					&cli.IntFlag{Name: "to", Value: -1, HideDefault: true, Usage: "`VERSION` to go back to, 0 to remove all"},
					&cli.BoolFlag{Name: "lose-data", Usage: "yes, what the tables hold goes"},
				},
				Action: migrateDown,
			},
			{
				Name: "status", Usage: "show the version of the tables; exit status 1 if it is not that of this command",
				Description: "For scripts: it changes nothing." + examples("gatehouse -db postgres://ops@db/app migrate status"),
				Action:      migrateStatus,
			},
			{
				Name: "print", Usage: "print the SQL that makes or updates the tables, for a tool of one's own",
				Description: "It does not connect: of the URL it needs no more than the kind of database." +
					examples("gatehouse -db postgres: migrate print", "gatehouse -db mysql: migrate print -from 1"),
				Flags:  []cli.Flag{&cli.IntFlag{Name: "from", Usage: "`VERSION` of the tables that are there, 0 for none"}},
				Action: migratePrint,
			},
		},
	}
}

// versions is what the migrate commands say in JSON.
type versions struct {
	Version int  `json:"version"`
	Was     *int `json:"was,omitempty"` // before up or down
	Needed  int  `json:"needed"`
}

// tables runs f on tables of whatever version.
func tables(ctx context.Context, c *cli.Command, create bool, f func(*database, *sqlstore.Store, int) error) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	db, err := parseDatabase(c, create)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := db.connect(ctx)
	if err != nil {
		return err
	}
	version, err := store.Version(ctx)
	if err == nil {
		err = f(db, store, version)
	}
	return db.explain(ctx, err)
}

func migrateUp(ctx context.Context, c *cli.Command) error {
	return tables(ctx, c, true, func(db *database, store *sqlstore.Store, was int) error {
		if err := store.Migrate(ctx); err != nil {
			return err
		}
		return moved(ctx, c, db, store, was)
	})
}

func moved(ctx context.Context, c *cli.Command, db *database, store *sqlstore.Store, was int) error {
	now, err := store.Version(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("the tables have version %d", now)
	if was != now {
		text += fmt.Sprintf(", and had %d", was)
	}
	return report(c, text, versions{now, &was, sqlstore.SchemaVersion})
}

func migrateDown(ctx context.Context, c *cli.Command) error {
	to := c.Int("to")
	switch {
	case to < 0:
		return usagef("down needs -to VERSION")
	case !c.Bool("lose-data"):
		return usagef("down removes what the tables hold, and needs -lose-data")
	}
	return tables(ctx, c, false, func(db *database, store *sqlstore.Store, was int) error {
		if to > was {
			return fmt.Errorf("the tables have version %d: down does not lead to %d", was, to)
		}
		if err := store.Down(ctx, to); err != nil {
			return err
		}
		return moved(ctx, c, db, store, was)
	})
}

func migrateStatus(ctx context.Context, c *cli.Command) error {
	return tables(ctx, c, false, func(db *database, store *sqlstore.Store, version int) error {
		if c.Bool("json") {
			if err := printJSON(c, versions{Version: version, Needed: sqlstore.SchemaVersion}); err != nil {
				return err
			}
		}
		if err := store.Check(ctx); err != nil {
			return err
		}
		if c.Bool("json") {
			return nil
		}
		return report(c, fmt.Sprintf("the tables have version %d, as they must", version), nil)
	})
}

func migratePrint(_ context.Context, c *cli.Command) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	dialect, err := dialectOf(c)
	if err != nil {
		return err
	}
	options := sqlstore.Options{Schema: c.String("schema"), Prefix: c.String("prefix")}
	statements, err := sqlstore.DDL(dialect, options, c.Int("from"), sqlstore.SchemaVersion)
	if err != nil {
		return usagef("print: -from is 0 to %d, and -schema and -prefix are names", sqlstore.SchemaVersion)
	}
	text := ""
	for _, statement := range statements {
		text += statement + ";\n"
	}
	if c.Bool("json") {
		return printJSON(c, struct {
			From int    `json:"from"`
			To   int    `json:"to"`
			SQL  string `json:"sql"`
		}{c.Int("from"), sqlstore.SchemaVersion, text})
	}
	_, err = fmt.Fprint(c.Root().Writer, text)
	return err
}

// Load measures sign-ins, token checks and the Security page over HTTP, beside other ways to have two-factor sign-in.
// The README of internal/benchmarks has the figures, and how they are made.
//
//	load -serve gatehouse -driver pgx -dsn postgres://… -accounts 20000 -tokens FILE
//
// makes the tables and the accounts in an empty database, prints its URL and serves, and
//
//	load -drive http://… -peer gatehouse -accounts 20000 -scenario sign-in -clients 1,16,64 -rates 100,-0.7 -length 5s
//
// has clients sign in to it and prints a line of JSON for each run: first with so many clients at a time, each of which
// waits for its answer (closed), and then with arrivals at random moments, so many a second, which wait for nobody (open).
// A negative rate is a share of what the clients got through: -0.7 is 70 % of it. The two can be on different machines,
// whose clocks agree.
//
//	load -table DIR
//
// makes the Markdown tables DIR/http.md of all results that are kept in DIR/http*.jsonl.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/integration/cputime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	var (
		s      settings
		d      drive
		server = flags.String("serve", "", "the server to be: gatehouse, bare or authboss")
		target = flags.String("drive", "", "the URL of the server to put a load on")
		name   = flags.String("peer", "gatehouse", "what that server is: gatehouse, bare, authboss or better-auth")
		probe  = flags.Int("probe", 0, "give so many codes twice at first")
		table  = flags.String("table", "", "the directory with results (http*.jsonl) to make tables of (http.md)")
	)
	flags.StringVar(&s.driver, "driver", "sqlite3", "the driver of the database: pgx, mysql, sqlite3 or, for gatehouse, etcd")
	flags.StringVar(&s.dsn, "dsn", "", "the database; for etcd the URLs of its nodes, with commas between them")
	flags.IntVar(&s.accounts, "accounts", 20_000, "how many accounts there are")
	flags.StringVar(&s.tokens, "tokens", "", "the file for access tokens")
	flags.StringVar(&d.database, "database", "", "the database's name in the results")
	flags.Func("scenario", "what a request is: sign-in, token check or review page; can be given again", func(text string) error {
		d.scenarios = append(d.scenarios, text)
		return nil
	})
	flags.DurationVar(&d.warm, "warm", 2*time.Second, "how long each scenario runs before it is measured")
	flags.DurationVar(&d.length, "length", 5*time.Second, "how long each run is")
	flags.Func("clients", "how many clients there are at a time, in each run", func(text string) error { return numbers(text, &d.clients, strconv.Atoi) })
	flags.Func("rates", "how many arrivals a second there are, in each run", func(text string) error {
		return numbers(text, &d.rates, func(text string) (float64, error) { return strconv.ParseFloat(text, 64) })
	})
	flags.Func("cpu", "NAME=PID of a process on this machine whose time is measured, with its children; can be given again, and "+
		"times of the same name are added up", d.processFlag(cputime.Of))
	flags.Func("cpu-namespace", "NAME=PID, for all processes in the process namespace of that one; as -cpu otherwise",
		d.processFlag(cputime.OfNamespace))
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *table != "" {
		return makeTable(*table)
	}
	if *server != "" {
		return serve(ctx, *server, s, out)
	}
	var err error
	if d.client, err = newClient(*name, *target); err != nil {
		return err
	}
	if d.tokens, err = tokensIn(s.tokens); err != nil {
		return err
	}
	d.server, d.apps = *name, &apps{last: make([]int64, s.accounts)}
	if *probe > 0 {
		if err := d.probe(*probe, out); err != nil {
			return err
		}
	}
	return d.run(out)
}

func numbers[N any](text string, to *[]N, parse func(string) (N, error)) error {
	for part := range strings.SplitSeq(text, ",") {
		n, err := parse(part)
		if err != nil {
			return err
		}
		*to = append(*to, n)
	}
	return nil
}

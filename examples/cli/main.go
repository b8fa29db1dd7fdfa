// CLI is a service whose API takes access tokens, and the command that uses it.
//
//	go run ./examples/cli serve -mint /tmp/acme.token                 # in one terminal
//	go run ./examples/cli projects list -token /tmp/acme.token        # in another
//	go run ./examples/cli projects add -token /tmp/acme.token rocket
//
// The command reads its token from a file that nobody else can read, or from ACME_TOKEN. Where the
// service answers that the token is about to expire, the command has it rotated and replaces the file.
// With -lifetime 1h it does so at each call.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

const help = `usage: cli serve [flags]
       cli projects list [flags]
       cli projects add [flags] NAME
`

// errUsage has been explained already.
var errUsage = errors.New("wrong usage")

// run returns the exit status: 0, 1 for whatever went wrong, 2 for wrong usage.
func run(ctx context.Context, args []string, env func(string) string, out, errs io.Writer) int {
	var err error
	switch {
	case len(args) >= 1 && args[0] == "serve":
		err = serve(ctx, args[1:], out, errs)
	case len(args) >= 2 && args[0] == "projects" && args[1] == "list":
		err = projects(ctx, "list", args[2:], env, out, errs)
	case len(args) >= 2 && args[0] == "projects" && args[1] == "add":
		err = projects(ctx, "add", args[2:], env, out, errs)
	default:
		fmt.Fprint(errs, help)
		return 2
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(errs, "acme:", err)
	return 1
}

// parse reads flags and n arguments behind them.
func parse(flags *flag.FlagSet, args []string, n int) error {
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	case flags.NArg() != n:
		fmt.Fprint(flags.Output(), help)
		return errUsage
	}
	return nil
}

// Command gatehouse is what the people who run a service with Gatehouse need: it migrates the tables,
// shows and mends accounts, ends tokens, moves secrets to another key and reviews everybody. It works on
// the service's database, beside the service or without it. docs/operations.md is the run book.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v3"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	restrict()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	os.Exit(run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	c := root(args, in, out, errs)
	err := c.Run(ctx, args)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "gatehouse: %s (see %s --help)\n", oneLine(usage.Error()), meant(c, args))
		return exitUsage
	}
	fmt.Fprintln(errs, "gatehouse: "+oneLine(err.Error()))
	return exitFailure
}

// meant returns the command that a command line names, with those above it.
func meant(c *cli.Command, args []string) string {
	name := c.Name
	for _, arg := range args[1:] {
		if sub := c.Command(arg); sub != nil {
			c, name = sub, name+" "+sub.Name
		}
	}
	return name
}

func root(args []string, in io.Reader, out, errs io.Writer) *cli.Command {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	c := &cli.Command{
		Name:    "gatehouse",
		Usage:   "operate the accounts of a service that uses Gatehouse",
		Version: version,
		Description: `The database is named by a URL: postgres://user@host/database, mysql://user@host/database or
sqlite:PATH. A password does not belong into an argument, which other users of the machine can see: put the
whole URL into GATEHOUSE_DB, the password into GATEHOUSE_DB_PASSWORD, or into a file that -db-password-file names.

Exit status: 0 is success, 1 a failure, 2 a command line that cannot be meant. One line on standard error says
what is wrong. Flags may come before or after the command, with one dash or two.` + examples(
			"gatehouse -db postgres://ops@db.internal/app doctor",
			"gatehouse status user-42",
			`gatehouse reset user-42 -operator ada -reason "lost phone, ticket 4711"`,
			"gatehouse completion bash > /etc/bash_completion.d/gatehouse"),
		Flags:  append(databaseFlags(), outputFlags()...),
		Reader: in, Writer: out, ErrWriter: errs,
		Metadata:                        map[string]any{"args": args},
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: func(c *cli.Command) { c.Hidden = false },
		HideHelpCommand:                 true, // "help" may be an account
		Suggest:                         true,
		ExitErrHandler:                  func(context.Context, *cli.Command, error) {},
		Commands: []*cli.Command{
			statusCommand(), resetCommand(), unlockCommand(), suspendCommand(), resumeCommand(), passwordChangedCommand(), deleteCommand(),
			tokensCommand(), leakedCommand(), fleetCommand(), recordCommand(),
			doctorCommand(), migrateCommand(), importCommand(), keysCommand(), resealCommand(), afterRestoreCommand(),
		},
	}
	_ = c.Walk(func(c *cli.Command) error {
		c.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usageError{err} }
		if c.Action == nil {
			c.Action = func(_ context.Context, c *cli.Command) error {
				switch {
				case c.Args().Present():
					return usagef("no such command: %q", c.Args().First())
				case c != c.Root():
					return usagef("%s needs one of its commands", c.Name)
				}
				return cli.ShowRootCommandHelp(c)
			}
		}
		return nil
	})
	return c
}

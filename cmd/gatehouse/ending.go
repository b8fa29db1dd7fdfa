package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
)

func passwordChangedCommand() *cli.Command {
	return &cli.Command{
		Name: "password-changed", Usage: "end what an old password has led to: sign-ins under way, proofs, pending pairings", ArgsUsage: "ACCOUNT",
		Description: `For a password that was set outside of the service, as in its database: the service calls
Operator.PasswordChanged by itself wherever it sets one. Sessions are the service's own to end. With -revoke-tokens,
access tokens end too: for a password that was forgotten, or that somebody else may have had.` + examples(
			`gatehouse password-changed user-42 -operator ada -reason "set by support, ticket 4711"`,
			`gatehouse password-changed user-42 -revoke-tokens -operator ada -reason "its password was in a dump"`),
		Flags: operatorFlags(&cli.BoolFlag{Name: "revoke-tokens", Usage: "revoke the account's access tokens as well"}),
		Action: onAccount(func(ctx context.Context, s *session, o gatehouse.Operator, account string) error {
			unknown, choice := s.known(ctx, account), gatehouse.KeepTokens
			if s.c.Bool("revoke-tokens") {
				choice = gatehouse.RevokeTokens
			}
			if err := o.PasswordChanged(ctx, account, choice); err != nil {
				return err
			}
			if unknown != nil {
				fmt.Fprintln(s.errs, "note: nothing was stored of this account before; is the ID right?")
			}
			text := "ended what the old password of " + shown(account) + " has led to"
			if choice == gatehouse.RevokeTokens {
				text += ", and revoked its tokens"
			}
			return report(s.c, text, changed{Account: account, Changed: true})
		}),
	}
}

func deleteCommand() *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "remove all that is stored of an account", ArgsUsage: "ACCOUNT",
		Description: `For an account that the service has deleted. Authenticators, recovery codes, tokens and the activity go, and
cannot be brought back. An account that still exists in the service has no second factor any more: its password
alone signs in. The ID, random numbers and the moment stay: they end its browser sessions. For an owner who has lost every factor there is reset. It asks whether that is meant, unless -yes is
given.` + examples(
			`gatehouse delete user-42 -operator ada -reason "account closed, ticket 4711"`,
			"gatehouse delete user-42 -yes -operator cron"),
		Flags: operatorFlags(&cli.BoolFlag{Name: "yes", Usage: "do not ask"}),
		Action: onAccount(func(ctx context.Context, s *session, o gatehouse.Operator, account string) error {
			if err := s.known(ctx, account); err != nil {
				return err
			}
			if err := s.confirm(ctx, "delete all that is stored of "+shown(account)); err != nil {
				return err
			}
			untold, err := o.DeleteAccount(ctx, account)
			if err != nil {
				return err
			}
			_, done := s.happened(event.AccountDeleted)
			text := "deleted " + shown(account)
			if len(untold) > 0 {
				text += "; its owner had yet to be told: " + kindsOf(untold)
			}
			return report(s.c, text, changed{Account: account, Changed: done, Untold: untold})
		}),
	}
}

var errNotMeant = errors.New("nothing was done")

// confirm asks whether something is meant, and returns nil where the answer, or -yes, says so.
func (s *session) confirm(ctx context.Context, what string) error {
	if s.c.Bool("yes") {
		return nil
	}
	in := s.c.Root().Reader
	if !isTerminal(in) {
		return usagef("%s asks on a terminal: give -yes to go on without", s.c.Name)
	}
	fmt.Fprintf(s.errs, "%s? This cannot be undone. Type yes: ", what)
	answer, err := await(ctx, func() (string, error) { return bufio.NewReader(in).ReadString('\n') })
	switch {
	case errors.Is(err, errInterrupted):
		return err
	case err != nil || strings.TrimSpace(answer) != "yes":
		return errNotMeant
	}
	return nil
}

// kindsOf returns the kinds of notices.
func kindsOf(notices []event.Notice) string {
	var kinds []string
	for _, n := range notices {
		kinds = append(kinds, string(n.Kind))
	}
	return strings.Join(kinds, ", ")
}

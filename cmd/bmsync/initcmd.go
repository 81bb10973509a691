package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"
)

func newInitCmd(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "init [FOLDER]", Short: "Write bmsync.yaml, accounts.csv, groups.csv and rights.csv, commented",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{errors.New("init takes one folder at most")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			written, err := writeTemplates(dir, force)
			if errors.Is(err, fs.ErrExist) {
				return &usageError{fmt.Errorf("%w; --force writes over it", err)}
			}
			if err != nil {
				return err
			}
			return a.result(map[string][]string{"written": written}, func(w io.Writer) error {
				for _, path := range written {
					fmt.Fprintln(w, "wrote", path)
				}
				_, err := fmt.Fprintln(w, "Edit the first two, and the others where there are groups or rights; then: bmsync check --target test, bmsync plan, bmsync run --target test")
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "write over files that are there")
	return cmd
}

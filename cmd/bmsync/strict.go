package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// strict makes the options of a command, and of all below it, say what was meant:
// none takes the next option for its value, which would silently not be done; none
// is given twice with two values, of which the last would win; and none is empty,
// as --only "$ADDRESS" is where the variable isn't set, which would ask for all.
func strict(cmd *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{cmd.LocalNonPersistentFlags(), cmd.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			// A setting may be made empty, and so may what the simulator takes.
			f.Value = &strictValue{Value: f.Value, flag: f, mayBeEmpty: f.Hidden || cmd.Name() == "sim"}
			switch f.DefValue { // that the help would show, of a type it doesn't know
			case "[]", "0s":
				f.DefValue = ""
			}
		})
	}
	for _, below := range cmd.Commands() {
		strict(below)
	}
}

// strictValue is the value of a flag on its way into the program.
type strictValue struct {
	pflag.Value
	flag       *pflag.Flag
	mayBeEmpty bool
	given      bool
}

// strictError says what is wrong with an option.
type strictError struct{ text string }

func (e *strictError) Error() string { return e.text }

// Set takes what was typed.
func (v *strictValue) Set(text string) error {
	many := v.Type() == "stringSlice"
	wrong := func(format string, args ...any) error {
		return &strictError{"--" + v.flag.Name + " " + fmt.Sprintf(format, args...)}
	}
	words := []string{text}
	if many {
		words = strings.Split(text, ",")
	}
	for _, word := range words {
		switch word = strings.TrimSpace(word); {
		case word == "" && !v.mayBeEmpty:
			return wrong("is empty; leave it out where it isn't meant")
		case strings.HasPrefix(word, "--"), len(word) == 2 && word[0] == '-' && (word[1] < '0' || word[1] > '9'):
			return wrong("wants a value, and got the option %s", word)
		}
	}
	before := v.String()
	if err := v.Value.Set(text); err != nil {
		return err
	}
	if now := v.String(); v.given && !many && now != before {
		return wrong("is given twice: %s and %s", before, now)
	}
	v.given = true
	return nil
}

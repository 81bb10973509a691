package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// What the design has and this release hasn't is refused by its name, so that
// nobody takes it for a slip of the pen.
var (
	unbuiltCommands = []string{"accounts", "explain", "plan diff"}
	unbuiltFlags    = []string{"--until", "--shard", "--twice", "--csv", "--exit-codes"}
	unknownFlag     = regexp.MustCompile(`^unknown flag: (--[a-z-]+)`)
)

// unbuiltCommand gives the error for a command that is not built yet, nil for
// any other.
func unbuiltCommand(name string) error {
	if slices.Contains(unbuiltCommands, name) {
		return &usageError{fmt.Errorf("%s is not built yet", name)}
	}
	return nil
}

// flagError says of an unknown flag whether it is known from the design.
func flagError(err error) error {
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil && slices.Contains(unbuiltFlags, m[1]) {
		err = fmt.Errorf("%s is not built yet", m[1])
	}
	if e, ok := errors.AsType[*strictError](err); ok {
		err = e
	}
	return &usageError{err}
}

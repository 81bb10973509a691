// Command bench measures bmsync against what the servers can take: mbsync, and
// the simplest possible loop of FETCH and MULTIAPPEND with as many connections,
// from and to the same servers in the same run. It needs the lab of
// examples/lab and Debian's isync:
//
//	examples/bench/run
//
// It prints a table in Markdown, with medians. See README.md beside this file.
package main

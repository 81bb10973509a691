// Package objects makes sure of what BlueMind must hold before mail: domains,
// users, shared mailboxes, groups, rights and subscriptions.
package objects

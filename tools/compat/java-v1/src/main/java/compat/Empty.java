package compat; class Empty {}

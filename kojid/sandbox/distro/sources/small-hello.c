/* Stands in for GNU hello in the sandbox where the real source is out of reach. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("hello (kojid's sandbox, in the place of GNU hello) 2.10");
        return 0;
    }
    puts("Hello, world!");
    return 0;
}

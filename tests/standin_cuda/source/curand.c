// Stands in for cuRAND, of which the provider needs the library and none of its functions.
int standin_curand(void) { return 0; }

import { dayOf, testSeeds } from "./seeds.ts";

testSeeds("odd", dayOf);

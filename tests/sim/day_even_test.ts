import { dayOf, testSeeds } from "./seeds.ts";

testSeeds("even", dayOf);

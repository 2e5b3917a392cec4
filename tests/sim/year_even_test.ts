import { testSeeds } from "./seeds.ts";

testSeeds("year", "even");

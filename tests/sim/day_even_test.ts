import { testSeeds } from "./seeds.ts";

testSeeds("day", "even");

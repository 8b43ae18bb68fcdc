// The paper's comparisons at a size that two cores finish: attention, patches, noise limit, balance, cost to text, and continuous against discrete over
// sizes. Every run is kept in the output folder, so that a killed program goes on, and a table can be extended.
using System.CommandLine;
using Experiments;
using Samples.Common;

Option<string> data = new("--data") { Description = "\"shapes\", or a folder of captioned pictures (docs/data-formats.md).", DefaultValueFactory = _ => ExperimentData.Shapes };
Option<int> seeds = RunOptions.Positive(new Option<int>("--seeds") { Description = "Runs of each configuration.", DefaultValueFactory = _ => 3 });
Option<int> steps = RunOptions.Positive(new Option<int>("--steps") { Description = "Steps of each run, of 32 pairs.", DefaultValueFactory = _ => 1000 });
Option<int> workers = RunOptions.Positive(new Option<int>("--workers") { Description = "Runs at a time.", DefaultValueFactory = _ => Environment.ProcessorCount });
Option<string> output = new("--output") { Description = "Folder for tables, and for the runs behind them.", DefaultValueFactory = _ => "experiments" };
RootCommand command = new("Runs the comparisons of the Transfusion paper on small models, and writes a table and a plot of each.") { data, seeds, steps, workers, output };

foreach (string name in (string[])["all", "attention", "patches", "noise-limit", "balance", "text-cost", "recipes", ScalingStudy.Name, BudgetStudy.Name])
{
    Command table = new(name, name == "all" ? "All tables." : $"The table {name}.") { data, seeds, steps, workers, output };
    table.SetAction((parsed, cancellation) => Tables(name, parsed, cancellation));
    command.Subcommands.Add(table);
}

// What the program asks of copies of itself.
Argument<string> run = new("folder"), autoencoder = new("autoencoder"), source = new("data");
Command one = new("run") { run, autoencoder };
one.Hidden = true;
one.SetAction(parsed => RunCache.RunHere(parsed.GetRequiredValue(run), parsed.GetRequiredValue(autoencoder)));
Command codebook = new("autoencoder") { source, autoencoder };
codebook.Hidden = true;
codebook.SetAction(parsed => Codebook.Train(parsed.GetRequiredValue(source), parsed.GetRequiredValue(autoencoder)));
command.Subcommands.Add(one);
command.Subcommands.Add(codebook);
return await command.Parse(args).InvokeAsync();

async Task Tables(string name, ParseResult parsed, CancellationToken cancellation)
{
    string folder = Path.GetFullPath(parsed.GetRequiredValue(output)), from = parsed.GetRequiredValue(data);
    int each = parsed.GetValue(seeds);
    Directory.CreateDirectory(folder);
    var suite = new Suite(from == ExperimentData.Shapes ? from : Path.GetFullPath(from), parsed.GetValue(steps));
    var cache = new RunCache(folder, parsed.GetValue(workers));
    ExperimentTable[] tables = [.. suite.Tables.Where(table => name == "all" || table.Name == name)];
    ScalingStudy? scaling = name is "all" or ScalingStudy.Name ? suite.Scaling : null;
    BudgetStudy? budget = name is "all" or BudgetStudy.Name ? suite.Budget : null;
    await cache.Complete([.. tables.SelectMany(table => table.Runs(each)), .. scaling?.Runs(each) ?? [], .. budget?.Runs(each) ?? []], cancellation);
    foreach (ExperimentTable table in tables)
        table.Write(folder, cache, each);
    scaling?.Write(folder, cache, each);
    budget?.Write(folder, cache, each);
}
